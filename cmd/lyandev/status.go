package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/supervisor/explain"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newStatusCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "status", Usage: "show whether each service is healthy: roles, lag, quorum, hit rate",
		Description: "READY is how many pods are ready, of how many that are wanted. HEALTHY is yes if the service is as the file wants it: the\n" +
			"pods that are wanted are ready and up to date, a job has finished with success, and an operator, if there is one, finds the\n" +
			"pods right. What follows says what it waits for. Exits with 0 if everything is healthy, otherwise with 3.\n\n" +
			"With --watch it prints the whole status again each time that it has changed, as JSON on one line, until Ctrl-C.",
		Flags: append(output.Flags(), output.WatchFlag()),
		Action: func(c *cli.Context) error {
			how, err := outputOf(c, st)
			if err != nil {
				return err
			}
			t, err := findTarget(c, nil)
			if err != nil {
				return err
			}
			if c.Bool("watch") {
				return watchStatus(c, st, t, how)
			}
			f, err := findFacts(c, t)
			if err != nil {
				return unattended(c.Context, t, "read the state of", err)
			}
			s := statusOf(c.Context, t, f)
			defer noteBrokenFile(c, st, t)
			if err := printStatus(st, s, how); err != nil || s.Right {
				return err
			}
			return exitCode(exitNotReady)
		},
	}
}

func statusOf(ctx context.Context, t *target, f explain.Facts) explain.Status {
	f.Deaf = deafPorts(ctx, t, f.Snapshot, f.Now)
	return explain.StatusOf(f)
}

func printStatus(st *ui.Streams, s explain.Status, how output.Options) error {
	if how.ForProgram() {
		return output.Object(st.Out, s, how)
	}
	_, err := fmt.Fprint(st.Out, s.Text(paintOf(st)))
	return err
}

// watchStatus prints the status, and again each time that its text has changed, until Ctrl-C or the end of the supervisor.
func watchStatus(c *cli.Context, st *ui.Streams, t *target, how output.Options) error {
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt)
	defer stop()
	shown := ""
	var failed error
	err := t.client.WatchState(ctx, func(*state.Status) bool {
		f, err := factsOf(ctx, t)
		if err != nil {
			failed = err
			return false
		}
		s := statusOf(ctx, t, f)
		text := s.Text(explain.Paint{})
		if text == shown {
			return true
		}
		if shown != "" && !how.ForProgram() {
			fmt.Fprintln(st.Out)
		}
		shown, failed = text, printStatus(st, s, how)
		return failed == nil
	})
	if ctx.Err() != nil && errors.Is(err, context.Canceled) || errors.Is(failed, context.Canceled) {
		return nil
	}
	if err = errors.Join(failed, err); err != nil && shown == "" {
		return unattended(c.Context, t, "read the state of", err)
	}
	return err
}

// paintOf returns the function that colours results on a terminal.
func paintOf(st *ui.Streams) explain.Paint {
	if !st.OutTTY || !st.Color {
		return explain.Paint{}
	}
	with := func(style ui.Style) func(string) string {
		return func(text string) string { return st.Paint(style, text) }
	}
	return explain.Paint{Good: with(ui.Green), Bad: with(ui.Red), Weak: with(ui.Dim), Strong: with(ui.Bold)}
}
