package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/cmd/lyandev/scaffold"
	"github.com/lyandev/lyandev/profiles"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newInitCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "init", Usage: "write a compose.yaml for the project in this directory, or an example into an empty one",
		Description: "For a project (package.json, pyproject.toml, requirements.txt, go.mod, Cargo.toml, pom.xml or a Dockerfile) it writes a compose.yaml\n" +
			"that builds it, updates it while you edit and probes it, and a Dockerfile if there is none. A Compose file that is there stays as it\n" +
			"is; if you agree it gets a first line by which editors complete and check it. Nothing else that exists is changed.\n\n" +
			"Examples:\n  lyandev init\n  lyandev init --dry-run",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "do not ask"},
			&cli.BoolFlag{Name: "dry-run", Usage: "print the files and write nothing"},
		},
		Action: func(c *cli.Context) error {
			return runInit(st, initOptions{dir: cmp.Or(c.String("project-directory"), "."), yes: c.Bool("yes"), dryRun: c.Bool("dry-run")})
		},
	}
}

type initOptions struct {
	dir         string
	yes, dryRun bool
}

func runInit(st *ui.Streams, o initOptions) error {
	dir, err := filepath.Abs(o.dir)
	if err != nil {
		return fmt.Errorf("cannot find the directory %s: %w", o.dir, err)
	}
	schema, err := schemaPath()
	if err != nil {
		return err
	}
	plan, err := planInit(dir, schemaModeline(schema))
	if err != nil {
		return withCode(exitUsage, fmt.Errorf("cannot init %s: %w", dir, err))
	}
	fmt.Fprintln(st.Err, plan.About)
	switch {
	case o.dryRun:
		printInit(st, plan)
		return nil
	case len(plan.Files) == 0:
		nextSteps(st)
		return nil
	}
	wanted, err := agreed(st, plan, o.yes)
	if err != nil {
		return err
	}
	if wanted {
		if _, err := installSchema(); err != nil {
			return err
		}
		if err := writePlan(st, dir, plan); err != nil {
			return err
		}
	}
	if !wanted && !plan.Files[0].Exists {
		return errors.New("nothing was written")
	}
	nextSteps(st)
	return nil
}

// planInit plans the addition to the Compose file of a directory, or new files if it has none.
func planInit(dir, modeline string) (scaffold.Plan, error) {
	file, err := profiles.Find(dir)
	var none *profiles.NoFileError
	if err != nil && (!errors.As(err, &none) || len(none.Several) > 0) {
		return scaffold.Plan{}, err
	}
	if file != "" && filepath.Dir(file) == dir {
		text, err := os.ReadFile(file)
		if err != nil {
			return scaffold.Plan{}, err
		}
		return scaffold.Existing(filepath.Base(file), string(text), modeline), nil
	}
	plan, err := scaffold.New(os.DirFS(dir), modeline)
	if file != "" && err == nil {
		plan.Notes = append(plan.Notes, fmt.Sprintf("until now lyandev used %s in this directory", file))
	}
	return plan, err
}

func printInit(st *ui.Streams, plan scaffold.Plan) {
	for _, f := range plan.Files {
		fmt.Fprintf(st.Out, "%s\n%s", st.Paint(ui.Bold, "--- "+f.Name), f.Text)
		if !strings.HasSuffix(f.Text, "\n") {
			fmt.Fprintln(st.Out)
		}
	}
	for _, n := range plan.Notes {
		fmt.Fprintln(st.Err, st.Paint(ui.Yellow, "note: ")+n)
	}
}

// agreed asks whether the files are to be written, if it may ask. Without a terminal new files need --yes, and a file that exists
// stays as it is.
func agreed(st *ui.Streams, plan scaffold.Plan, yes bool) (bool, error) {
	if yes {
		return true, nil
	}
	var names []string
	for _, f := range plan.Files {
		names = append(names, f.Name)
	}
	question := "Write " + strings.Join(names, ", ") + "? [Y/n] "
	exists := plan.Files[0].Exists
	if exists {
		first, _, _ := strings.Cut(plan.Files[0].Text, "\n")
		question = fmt.Sprintf("Editors can complete and check it by the schema, with this as its first line:\n  %s\nAdd it? [Y/n] ", strings.TrimSpace(first))
	}
	switch {
	case st.InTTY && st.ErrTTY:
	case exists:
		fmt.Fprintln(st.Err, "`lyandev init --yes` adds the line by which editors complete and check it")
		return false, nil
	default:
		return false, withCode(exitUsage, fmt.Errorf("cannot ask whether to write %s: this is no terminal; --yes writes, --dry-run prints", strings.Join(names, ", ")))
	}
	fmt.Fprint(st.Err, question)
	answer, err := bufio.NewReader(st.In).ReadString('\n')
	answer = strings.ToLower(strings.TrimSpace(answer))
	return err == nil && (answer == "" || answer == "y" || answer == "yes"), nil
}

// writePlan writes the files. Those that are new must not exist; the one that exists keeps its mode.
func writePlan(st *ui.Streams, dir string, plan scaffold.Plan) error {
	for _, f := range plan.Files {
		path := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := writeScaffold(path, f); err != nil {
			return fmt.Errorf("cannot write %s: %w", path, err)
		}
		fmt.Fprintf(st.Err, "wrote %s\n", f.Name)
	}
	for _, n := range plan.Notes {
		fmt.Fprintln(st.Err, st.Paint(ui.Yellow, "note: ")+n)
	}
	return nil
}

func writeScaffold(path string, f scaffold.File) error {
	if f.Exists {
		return replaceFile(path, f.Text)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = out.WriteString(f.Text)
	return errors.Join(err, out.Close())
}

// replaceFile replaces a file, or the one that a link leads to, atomically; its mode stays.
func replaceFile(path, text string) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	out, err := os.CreateTemp(filepath.Dir(path), ".lyandev-init-*")
	if err != nil {
		return err
	}
	_, err = out.WriteString(text)
	if err = errors.Join(err, out.Chmod(info.Mode()), out.Close()); err == nil {
		err = os.Rename(out.Name(), path)
	}
	if err != nil {
		_ = os.Remove(out.Name())
	}
	return err
}

// nextSteps says what to run now.
func nextSteps(st *ui.Streams) {
	fmt.Fprint(st.Err, "next:\n  lyandev doctor   check the engine, the ports and the file\n  lyandev up       start it; Ctrl-C stops it\n")
}
