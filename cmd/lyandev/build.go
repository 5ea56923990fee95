package main

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/adrg/xdg"
	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/build"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newBuildCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "build", Usage: "build the images of services", ArgsUsage: "[SERVICE...]",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "no-cache", Usage: "build every step again, without the build cache"},
			&cli.BoolFlag{Name: "force", Usage: "build even if nothing changed"},
			&cli.StringSliceFlag{Name: "build-arg", Usage: "set the build argument `NAME=VALUE` of all builds, or NAME as it is here"},
			&cli.BoolFlag{Name: "pull", Usage: "pull the base images again; --pull=false uses those that are here, whatever the file says"},
			&cli.BoolFlag{Name: "with-dependencies", Usage: "with SERVICE: build the images of what it depends on too"},
			&cli.StringSliceFlag{Name: "ssh", Usage: "give builds the SSH agent (`default`), or ID=PATH: a socket or key"},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "do not show progress"},
			&cli.StringFlag{Name: "progress", Value: "plain", Usage: "progress format: `plain` (one line per step; auto and tty are the same), json (one line of JSON per step) or quiet"},
		},
		Action: func(c *cli.Context) error {
			stack, err := loadActive(c, chosenProfile(c), nil)
			if err != nil {
				return err
			}
			return runBuild(c, st, stack, c.Args().Slice())
		},
	}
}

func runBuild(c *cli.Context, st *ui.Streams, stack *services.Stack, only []string) error {
	if c.Bool("with-dependencies") {
		only = withBuiltDependencies(stack, only)
	}
	list, err := chooseBuilds(stack, only)
	if err != nil {
		return withCode(exitUsage, err)
	}
	if err := changeBuilds(c, list); err != nil {
		return withCode(exitUsage, err)
	}
	how := c.String("progress")
	if c.Bool("quiet") {
		how = "quiet"
	}
	sink, err := buildSink(st, how)
	if err != nil {
		return withCode(exitUsage, err)
	}
	eng, err := connect(c.Context)
	if err != nil {
		return err
	}
	defer eng.Close()
	b := &build.Builder{
		API: eng.API(), Images: eng, Project: stack.Name, CacheDir: filepath.Join(xdg.CacheHome, "lyandev"),
		Log: logger(c, st),
	}
	_, err = b.All(c.Context, list, build.Options{
		Force: c.Bool("force") || c.Bool("pull"), NoCache: c.Bool("no-cache"), Refs: build.RefsOf(stack.Builds),
	}, sink)
	if err == nil && len(c.StringSlice("build-arg")) > 0 {
		fmt.Fprintf(st.Err, "%s `lyandev up` builds again with the arguments of the file; `lyandev up --no-build` uses this image\n", st.Paint(ui.Yellow, "note:"))
	}
	return err
}

// changeBuilds changes builds as --build-arg, --pull and --ssh say.
func changeBuilds(c *cli.Context, list []*services.Build) error {
	for _, b := range list {
		for _, arg := range withValues(c.StringSlice("build-arg")) {
			name, value, _ := strings.Cut(arg, "=")
			if name == "" {
				return fmt.Errorf("cannot use --build-arg %q: it must be NAME=VALUE or NAME", arg)
			}
			if b.Args == nil {
				b.Args = map[string]string{}
			}
			b.Args[name] = value
		}
		if c.IsSet("pull") {
			b.Pull = c.Bool("pull")
		}
		for _, s := range c.StringSlice("ssh") {
			id, path, _ := strings.Cut(s, "=")
			if b.SSH == nil {
				b.SSH = map[string]string{}
			}
			b.SSH[id] = path
		}
	}
	return nil
}

// withBuiltDependencies adds to names of services what they depend on and the stack builds.
func withBuiltDependencies(stack *services.Stack, names []string) []string {
	var all []string
	for _, n := range names {
		if x := stack.Find(n); x != nil {
			all = stack.WithDependencies(all, x)
		}
	}
	out := slices.Clone(names)
	for _, b := range stack.Builds {
		if x := stack.Find(b.Name); x != nil && slices.Contains(all, x.Name()) && !slices.Contains(out, b.Name) {
			out = append(out, b.Name)
		}
	}
	return out
}

func chooseBuilds(stack *services.Stack, only []string) ([]*services.Build, error) {
	if len(only) == 0 {
		return stack.Builds, nil
	}
	var list []*services.Build
	for _, name := range only {
		i := slices.IndexFunc(stack.Builds, func(b *services.Build) bool { return b.Name == name })
		if i < 0 {
			var all []string
			for _, b := range stack.Builds {
				all = append(all, b.Name)
			}
			return nil, fmt.Errorf("cannot build %s: it has no build section; services with one: %s", name, strings.Join(all, ", "))
		}
		list = append(list, stack.Builds[i])
	}
	return list, nil
}

// buildSink returns the printer for a value of --progress.
func buildSink(st *ui.Streams, how string) (build.Sink, error) {
	switch how {
	case "plain", "auto", "tty":
		return buildLines(st), nil
	case "json":
		return buildJSON(st.Out), nil
	case "quiet":
		return func(build.Progress) {}, nil
	}
	return nil, fmt.Errorf("cannot use --progress %q: it must be plain, json or quiet", how)
}

// buildJSON prints one line of JSON per build event.
func buildJSON(out io.Writer) build.Sink {
	var mu sync.Mutex
	enc := json.NewEncoder(out)
	return func(p build.Progress) {
		mu.Lock()
		defer mu.Unlock()
		_ = enc.Encode(struct {
			Build  string `json:"build"`
			State  string `json:"state,omitempty"`
			Step   string `json:"step,omitempty"`
			Line   string `json:"line,omitempty"`
			Millis int64  `json:"millis,omitempty"`
		}{p.Build, p.State, p.Step, p.Line, p.Took.Milliseconds()})
	}
}

// buildLines prints a build's progress as plain lines.
func buildLines(st *ui.Streams) build.Sink {
	var mu sync.Mutex
	return func(p build.Progress) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case p.State == "failed" || p.State == "running":
		case p.State != "":
			fmt.Fprintf(st.Err, "%s: %s (%s)\n", p.Build, p.State, p.Took.Round(time.Millisecond))
		case p.Step != "":
			fmt.Fprintf(st.Err, "%s: %s\n", p.Build, p.Step)
		case p.Line != "":
			fmt.Fprintf(st.Err, "%s:   %s\n", p.Build, p.Line)
		}
	}
}
