package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/supervisor/explain"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newStatusCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "status", Usage: "show whether each service is healthy: roles, lag, quorum, hit rate",
		Description: "Exits with 0 if everything is healthy, otherwise with 3.",
		Flags:       []cli.Flag{jsonFlag()},
		Action: func(c *cli.Context) error {
			t, err := findTarget(c, nil)
			if err != nil {
				return err
			}
			f, err := findFacts(c, t)
			if err != nil {
				return unattended(c.Context, t, "read the state of", err)
			}
			f.Deaf = deafPorts(c.Context, t, f.Snapshot, f.Now)
			s := explain.StatusOf(f)
			if c.Bool("json") {
				err = printJSON(st.Out, s)
			} else {
				_, err = fmt.Fprint(st.Out, s.Text(paintOf(st)))
			}
			if err == nil && !s.Right {
				err = exitCode(exitNotReady)
			}
			return err
		},
	}
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
