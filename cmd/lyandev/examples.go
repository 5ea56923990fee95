package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/assets"
	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newExamplesCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "examples", Usage: "list examples, or copy one into a directory", ArgsUsage: "[NAME [DIR]]",
		Description: "Each example is a directory with a stack file and a README.md that says what to try. DIR is created; its default is NAME. A\n" +
			"directory that has files in it is refused.\n\n" +
			"Examples:\n  lyandev examples\n  lyandev examples compose\n  lyandev examples zookeeper /tmp/zk",
		Flags: listFlags(),
		Action: func(c *cli.Context) error {
			list, err := allExamples(assets.Examples())
			if err != nil {
				return err
			}
			if c.Args().Len() > 0 {
				return copyExample(st, list, c.Args().Get(0), c.Args().Get(1))
			}
			how, err := listOutput(c, st)
			if err != nil {
				return err
			}
			return exampleList.Print(st.Out, list, how)
		},
	}
}

// example is one example, as its README.md describes it.
type example struct {
	Name string `json:"name"`
	// About is what it is, in one line. Needs is what the machine must have.
	About string `json:"about"`
	Needs string `json:"needs"`
}

// allExamples reads the README.md of each: its first line is "# NAME: ABOUT", another begins with "Needs: ".
func allExamples(from fs.FS) ([]example, error) {
	dirs, err := fs.ReadDir(from, ".")
	if err != nil {
		return nil, fmt.Errorf("cannot list the examples: %w", err)
	}
	var out []example
	for _, d := range dirs {
		text, err := fs.ReadFile(from, d.Name()+"/README.md")
		if err != nil {
			return nil, fmt.Errorf("cannot read the example %s: %w", d.Name(), err)
		}
		e := example{Name: d.Name()}
		for i, line := range strings.Split(string(text), "\n") {
			if i == 0 {
				e.About = strings.TrimPrefix(line, "# "+e.Name+": ")
			}
			if needs, found := strings.CutPrefix(line, "Needs: "); found && e.Needs == "" {
				e.Needs, _, _ = strings.Cut(needs, ". ")
				e.Needs = strings.TrimSuffix(e.Needs, ".")
			}
		}
		out = append(out, e)
	}
	return out, nil
}

var exampleList = output.List[example]{
	Columns: []output.Column[example]{
		{Title: "NAME", Cell: func(e example) string { return e.Name }},
		{Title: "WHAT IT IS", Cell: func(e example) string { return e.About }},
		{Title: "NEEDS", Cell: func(e example) string { return e.Needs }},
	},
	Quiet: func(e example) string { return e.Name },
}

// copyExample copies an example into a directory that is empty or not there.
func copyExample(st *ui.Streams, list []example, name, dir string) error {
	var names []string
	for _, e := range list {
		names = append(names, e.Name)
	}
	if !slices.Contains(names, name) {
		return unknownName("example", name, names)
	}
	if dir == "" {
		dir = name
	}
	entries, err := os.ReadDir(dir)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("cannot copy the example %s to %s: %w", name, dir, err)
	case len(entries) > 0:
		return withCode(exitUsage, fmt.Errorf("cannot copy the example %s to %s: it is not empty; name another directory: lyandev examples %s DIR", name, dir, name))
	}
	if err := writeExample(name, dir); err != nil {
		return fmt.Errorf("cannot copy the example %s: %w", name, err)
	}
	fmt.Fprintf(st.Err, "copied to %s; README.md says what to try\nnext:\n  cd %s\n  lyandev up\n", dir, dir)
	return nil
}

func writeExample(name, dir string) error {
	files, err := fs.Sub(assets.Examples(), name)
	if err == nil {
		err = assets.WriteTo(files, dir)
	}
	if err != nil || name != "lyanna" {
		return err
	}
	return errors.Join(
		assets.WriteTo(assets.Demo(), filepath.Join(dir, "assets", "demo")),
		assets.WriteTo(assets.Images(), filepath.Join(dir, "assets", "images")),
	)
}
