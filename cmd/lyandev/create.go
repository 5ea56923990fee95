package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
	"github.com/lyandev/lyandev/supervisor/ui/screen"
)

func newCreateCommand(st *ui.Streams) *cli.Command {
	own := []string{
		"timeout", "ports", "build", "no-build", "take-over", "strict", "force-recreate", "no-deps", "scale", "remove-orphans", "dry-run", "output", "json", "no-headers", "quiet", "pull",
		"quiet-pull", "quiet-build", "no-recreate", "always-recreate-deps", "renew-anon-volumes", "yes",
	}
	return &cli.Command{
		Name: "create", Usage: "create the containers of services without starting them", ArgsUsage: "[SERVICE...]",
		Description: "The same as up --no-start: images, networks, volumes and the containers of plain Compose services are made. `lyandev start`\n" +
			"and `lyandev up` start these containers; `lyandev cp` works before that. Pods of services with Kubernetes' semantics have\n" +
			"no containers before they start.",
		Flags: slices.DeleteFunc(upFlags(), func(f cli.Flag) bool { return !slices.Contains(own, f.Names()[0]) }),
		Action: func(c *cli.Context) error {
			o, err := upOptionsOf(c, st)
			if err != nil {
				return withCode(exitUsage, err)
			}
			o.request.NoStart = true
			return runUp(c, o)
		},
	}
}

// createOnly has the containers of the stack made and not started, and blocks until they are there. It uses the supervisor that runs, else one
// in this process that ends afterwards.
func createOnly(c *cli.Context, t *target, o upOptions, answers bool) error {
	if answers {
		return createWith(c.Context, t, o)
	}
	if err := t.instance.Save(); err != nil {
		return err
	}
	ctx := context.WithoutCancel(c.Context) // the supervisor has to end in order
	s, err := serve(ctx, c, t.instance, logger(c, o.st), false)
	if errors.Is(err, instance.ErrHeld) && otherAnswers(ctx, t) {
		return createWith(c.Context, t, o)
	}
	if err != nil {
		return err
	}
	err = createWith(c.Context, t, o)
	s.sup.Halt()
	return errors.Join(err, <-s.done)
}

func createWith(ctx context.Context, t *target, o upOptions) error {
	shown, end := context.WithCancel(ctx)
	defer end()
	progress := screen.New(o.st, screen.Options{Quiet: o.quiet})
	go func() {
		_ = t.client.WatchState(shown, func(s *state.Status) bool { progress.Show(o.pruned(s)); return true })
	}()
	applied, err := t.client.Apply(ctx, o.request)
	end()
	progress.Close()
	if err != nil {
		return err
	}
	for _, text := range applied.Warnings {
		fmt.Fprintln(o.st.Err, o.st.Paint(ui.Yellow, "note: ")+text)
	}
	if !o.quiet {
		fmt.Fprintf(o.st.Err, "%s is created; `lyandev start` or `lyandev up` starts it\n", o.st.Paint(ui.Bold, t.instance.Name))
	}
	return nil
}
