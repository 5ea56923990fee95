package compat_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"
)

// A file of testdata is a case: a txtar archive whose comment begins with a sentence about what is compared and goes on with
// lines "KEY: VALUE":
//
//	flags: -f a.yaml      flags of both programs, before the command
//	env: NAME=VALUE       an environment variable of both programs
//	fails: up             commands that must fail, with both
//	meets: ID...          the meant differences that the case meets
//	api: 1.44             the lowest API version of an engine that can run it
//	needs: ABILITY...     privileged, macvlan, shared-mounts: on machines without it only the first step is done, and may fail
//	names: NAME...        host names to resolve in the containers, besides services, containers and aliases
//	look: PATH...         paths to list in the containers
//	sysctls: NAME...      sysctls to read in the containers
//	dial: ADDRESS...      addresses to GET from the host after each step
//	images: NAME...       images to compare after each step
//	shuffled              which container answers at which of the addresses to dial is left to chance
//	quick                 the case is also part of `make test`
//	nowait                up without --wait: something in it ends by itself
//
// The file "before" has docker commands for what must exist, "after" those that remove it, "steps" what is done (default:
// defaultSteps). Other files are written into the project's directory. In all of them and in the lines above, a name like
// ${PROJECT} is replaced as variables() says.
type testCase struct {
	name, about          string
	values               map[string][]string
	quick, nowait        bool
	shuffled             bool
	files                map[string]string
	before, steps, after []string
	text                 string
}

// defaultSteps are for cases that say nothing else.
var defaultSteps = []string{"up", "again", "crash", "restart", "docker restart"}

var keys = []string{"flags", "env", "fails", "meets", "api", "needs", "names", "look", "sysctls", "dial", "images"}

// readCases reads all of testdata, in the order of names.
func readCases(dir string) ([]*testCase, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil {
		return nil, err
	}
	var all []*testCase
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		c, err := parseCase(strings.TrimSuffix(filepath.Base(path), ".txtar"), data)
		if err != nil {
			return nil, fmt.Errorf("cannot read the case %s: %w", path, err)
		}
		all = append(all, c)
	}
	return all, nil
}

func parseCase(name string, data []byte) (*testCase, error) {
	ar := txtar.Parse(data)
	c := &testCase{name: name, values: map[string][]string{}, files: map[string]string{}, steps: defaultSteps, text: string(data)}
	for line := range strings.Lines(string(ar.Comment)) {
		line = strings.TrimSpace(line)
		key, value, found := strings.Cut(line, ":")
		switch {
		case line == "":
		case line == "quick":
			c.quick = true
		case line == "nowait":
			c.nowait = true
		case line == "shuffled":
			c.shuffled = true
		case found && slices.Contains(keys, key):
			c.values[key] = append(c.values[key], strings.TrimSpace(value))
		case len(c.values) == 0:
			c.about = strings.TrimSpace(c.about + " " + line)
		default:
			return nil, fmt.Errorf("the line %q is neither a sentence at the top nor a key", line)
		}
	}
	for _, f := range ar.Files {
		switch f.Name {
		case "before":
			c.before = commands(f.Data)
		case "steps":
			c.steps = commands(f.Data)
		case "after":
			c.after = commands(f.Data)
		default:
			c.files[f.Name] = string(f.Data)
		}
	}
	if c.about == "" || len(c.files) == 0 {
		return nil, fmt.Errorf("it has no sentence about what it compares, or no files")
	}
	return c, nil
}

func commands(data []byte) []string {
	var all []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}

// list are the words of all lines with a key.
func (c *testCase) list(key string) []string {
	return strings.Fields(strings.Join(c.values[key], " "))
}
