package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/profiles"
	"github.com/lyandev/lyandev/supervisor/instance"
)

// knownInstance returns the instance that was started with the files of the command line, without reading them, so that a
// command that needs only what runs works while a file is broken or missing. It returns nil if there is none, or if only the
// project's name in the file can tell several apart.
func knownInstance(c *cli.Context, reg *instance.Registry) (*instance.Instance, error) {
	files, err := explicitFiles(c)
	if err != nil {
		return nil, err
	}
	start, err := filepath.Abs(cmp.Or(c.String("project-directory"), "."))
	if err != nil {
		return nil, fmt.Errorf("cannot find the current directory: %w", err)
	}
	if len(files) > 0 {
		if c.String("project-directory") == "" && files[0] != "-" {
			start = filepath.Dir(files[0])
		}
		return startedIn(reg, start, files)
	}
	end := ""
	if file, err := profiles.Find(start); err == nil {
		end = filepath.Dir(file)
	}
	for at := start; ; at = filepath.Dir(at) {
		i, err := startedIn(reg, at, nil)
		if err != nil || i != nil && (at == end || end == "" || hasSocket(i)) {
			return i, err
		}
		if at == end || at == filepath.Dir(at) {
			return nil, nil
		}
	}
}

func startedIn(reg *instance.Registry, dir string, files []string) (*instance.Instance, error) {
	i, err := reg.Started(dir, files)
	if name := os.Getenv("COMPOSE_PROJECT_NAME"); i != nil && name != "" && i.Project != instance.Normalize(name) {
		return nil, err
	}
	return i, err
}

// savedInstance returns the instance that the files of the command line belong to, by the name in them, without loading them. It returns nil
// if it was not started yet, or if only loading can tell.
func savedInstance(c *cli.Context, reg *instance.Registry) *instance.Instance {
	o := loadOptions(c, "", nil)
	project, ok := profiles.FindProject(c.Context, o)
	if !ok {
		return nil
	}
	if explicit := c.String("project-name"); explicit != "" {
		i, err := reg.Get(explicit)
		if err != nil || i == nil || i.Dir != project.Dir {
			return nil
		}
		return i
	}
	i, err := reg.Saved(project.Name, project.Dir)
	if err != nil {
		return nil
	}
	return i
}

// runningInstance is savedInstance for an instance that has a supervisor: it is what Resolve would find once the files are loaded.
func runningInstance(c *cli.Context, reg *instance.Registry) *instance.Instance {
	i := savedInstance(c, reg)
	if i == nil || !hasSocket(i) {
		return nil
	}
	files, err := explicitFiles(c)
	if err != nil {
		return nil
	}
	i.Files = files
	return i
}

// hasSocket reports whether a supervisor of the instance probably runs.
func hasSocket(i *instance.Instance) bool {
	_, err := os.Stat(i.Socket())
	return err == nil
}

// explicitFiles returns the absolute paths of the files of -f, else of COMPOSE_FILE; none if the file is found by its name.
func explicitFiles(c *cli.Context) ([]string, error) {
	names := c.StringSlice("file")
	if list := os.Getenv("COMPOSE_FILE"); len(names) == 0 && list != "" {
		names = strings.Split(list, cmp.Or(os.Getenv("COMPOSE_PATH_SEPARATOR"), string(os.PathListSeparator)))
	}
	var files []string
	for _, name := range names {
		if name == "-" {
			files = append(files, name)
			continue
		}
		abs, err := filepath.Abs(name)
		if err != nil {
			return nil, fmt.Errorf("cannot find %s: %w", name, err)
		}
		files = append(files, abs)
	}
	return files, nil
}
