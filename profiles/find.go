package profiles

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// NoFileError is returned if no file to load was found, or several.
type NoFileError struct {
	// Dir is the directory in which the search started; it continued up to the root.
	Dir string
	// Several are the *.dev.yaml files of one directory if there is more than one.
	Several []string
}

func (e *NoFileError) Error() string {
	if len(e.Several) > 0 {
		return fmt.Sprintf("cannot choose a file in %s: it has several: %s (name one with -f)", e.Dir, strings.Join(e.Several, ", "))
	}
	return fmt.Sprintf("cannot find a file to load in %s or above: looked for lyanna.dev.yaml, lyandev.yaml, one *.dev.yaml, "+
		"compose.yaml, docker-compose.yml (name one with -f, or write a compose.yaml)", e.Dir)
}

// Find searches a directory and its parents for the file to load: lyanna.dev.yaml, lyandev.yaml, *.dev.yaml if there is
// exactly one, then Compose's own names. The error is a *NoFileError.
func Find(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("cannot search %s: %w", dir, err)
	}
	for at := abs; ; at = filepath.Dir(at) {
		file, err := findIn(at)
		if file != "" || err != nil {
			return file, err
		}
		if filepath.Dir(at) == at {
			return "", &NoFileError{Dir: abs}
		}
	}
}

func findIn(dir string) (string, error) {
	for _, name := range []string{"lyanna.dev.yaml", "lyandev.yaml"} {
		if f := filepath.Join(dir, name); isFile(f) {
			return f, nil
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", nil //nolint:nilerr // a directory that cannot be read has nothing to offer; those above may
	}
	var dev []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".dev.yaml") && e.Name() != ".dev.yaml" && isFile(filepath.Join(dir, e.Name())) {
			dev = append(dev, e.Name())
		}
	}
	if len(dev) == 1 {
		return filepath.Join(dir, dev[0]), nil
	}
	if f := firstOf(dir, cli.DefaultFileNames); f != "" {
		return f, nil
	}
	if len(dev) > 1 {
		return "", &NoFileError{Dir: dir, Several: dev}
	}
	return "", nil
}

// firstOf returns the path of the first of the names that is a file in the directory, "" if none is.
func firstOf(dir string, names []string) string {
	for _, name := range names {
		if f := filepath.Join(dir, name); isFile(f) {
			return f
		}
	}
	return ""
}

// findFiles returns the files to load if none were named: one of lyandev's own names, else those of COMPOSE_FILE, else the file
// with one of Compose's names and, as in Compose, the override file beside it.
func findFiles(dir string, env types.Mapping) ([]string, error) {
	file, err := Find(dir)
	if err == nil && !slices.Contains(cli.DefaultFileNames, filepath.Base(file)) {
		return []string{file}, nil
	}
	if list := env["COMPOSE_FILE"]; list != "" {
		return strings.Split(list, cmp.Or(env["COMPOSE_PATH_SEPARATOR"], string(os.PathListSeparator))), nil
	}
	if err != nil {
		return nil, err
	}
	if override := firstOf(filepath.Dir(file), cli.DefaultOverrideFileNames); override != "" {
		return []string{file, override}, nil
	}
	return []string{file}, nil
}
