package main

import (
	"errors"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/cmd/lyandev/upplan"
	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/api"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// exitDiffers is the exit code of diff if something would change, as that of kubectl diff.
const exitDiffers = 1

func newDiffCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "diff", Usage: "show what up would change, and why", ArgsUsage: "[SERVICE...]",
		Description: "Compares the file with what runs and changes nothing. For each service: what happens to its pods, which fields differ, with their\n" +
			"old and new values (secrets are masked), and which changed input makes an image be built. `up` prints the same lines when it has done it.\n" +
			"The exit code is 0 if nothing would change, 1 if something would, and larger after an error.",
		Flags: append(output.Flags(output.Wide, output.Name),
			output.QuietFlag("print nothing, only exit with 0 or 1"),
			&cli.BoolFlag{Name: "build", Usage: "as with up --build"},
			&cli.BoolFlag{Name: "no-build", Usage: "as with up --no-build"},
			&cli.BoolFlag{Name: "force-recreate", Usage: "as with up --force-recreate"},
			&cli.BoolFlag{Name: "no-recreate", Usage: "as with up --no-recreate"},
			&cli.BoolFlag{Name: "no-deps", Usage: "with SERVICE: without what it depends on"},
			&cli.StringSliceFlag{Name: "scale", Usage: "as with up --scale `SERVICE=N`"},
			&cli.StringFlag{Name: "timing", Usage: "as with up --timing: `fast` or strict"},
		),
		Action: func(c *cli.Context) error {
			err := runDiff(c, st)
			var coded *codedError
			if err != nil && !errors.As(err, &coded) {
				return withCode(exitUsage, err) // 1 means that something would change
			}
			return err
		},
	}
}

func runDiff(c *cli.Context, st *ui.Streams) error {
	how, err := output.Of(c, st, output.Wide, output.Name)
	if err != nil {
		return withCode(exitUsage, err)
	}
	o := upOptions{st: st, profile: chosenProfile(c), request: api.ApplyRequest{
		Build: c.Bool("build"), NoBuild: c.Bool("no-build"), Only: c.Args().Slice(), NoDeps: c.Bool("no-deps"),
		ApplyWay: api.ApplyWay{NoRecreate: c.Bool("no-recreate")},
	}}
	stack, err := loadForUp(c, &o)
	if err != nil {
		return err
	}
	t, err := findTarget(c, stack)
	if err != nil {
		return err
	}
	p, err := planUp(c, st, t, stack, o.request)
	if err != nil {
		return err
	}
	if !how.Quiet {
		if err := printChanges(st, p, how); err != nil {
			return err
		}
	}
	if p.Empty() {
		return nil
	}
	return exitCode(exitDiffers)
}

// dryRun prints what `up` of a stack would do, and changes nothing.
func dryRun(c *cli.Context, st *ui.Streams, t *target, stack *services.Stack, r api.ApplyRequest) error {
	how, err := output.Of(c, st, output.Wide, output.Name)
	if err != nil {
		return withCode(exitUsage, err)
	}
	how.Quiet = false
	p, err := planUp(c, st, t, stack, r)
	if err != nil {
		return err
	}
	return printChanges(st, p, how)
}

// printChanges prints what `up` would do.
func printChanges(st *ui.Streams, p *upplan.Plan, how output.Options) error {
	switch {
	case how.ForProgram():
		return output.Object(st.Out, p, how)
	case how.Format == output.Name:
		return output.List[string]{Name: func(s string) string { return s }}.Print(st.Out, p.Names(), how)
	}
	return upplan.Print(st, p, how.Format == output.Wide)
}
