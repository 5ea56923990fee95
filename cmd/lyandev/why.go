package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/supervisor/api"
	"github.com/lyandev/lyandev/supervisor/explain"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newWhyCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "why", Usage: "say what a service or pod waits for, down to the cause", ArgsUsage: "[SERVICE|POD]",
		Description: "Without an argument: the first thing that keeps the stack from being ready. Ends with 0 when nothing waits,\n" +
			"with 3 otherwise.",
		Flags:  []cli.Flag{jsonFlag()},
		Action: func(c *cli.Context) error { return runWhy(c, st, c.Bool("json")) },
	}
}

func runWhy(c *cli.Context, st *ui.Streams, asJSON bool) error {
	if c.NArg() > 1 {
		return withCode(exitUsage, fmt.Errorf("cannot explain %d things at once: lyandev why [SERVICE|POD]", c.NArg()))
	}
	t, err := findTarget(c, nil)
	if err != nil {
		return err
	}
	f, err := findFacts(c, t)
	if err != nil {
		return err
	}
	a, err := explain.Why(f, c.Args().First())
	if err != nil {
		return withCode(exitUsage, err)
	}
	if asJSON {
		err = printJSON(st.Out, a)
	} else {
		_, err = fmt.Fprint(st.Out, a.Text(f.Now))
	}
	if err == nil && a.Waits {
		err = exitCode(exitNotReady)
	}
	return err
}

// findFacts asks the supervisor for everything that answers are made from.
func findFacts(c *cli.Context, t *target) (explain.Facts, error) {
	f := explain.Facts{Now: time.Now()}
	var err error
	f.Snapshot, err = t.client.State(c.Context)
	if errors.Is(err, api.ErrNoSupervisor) {
		return f, fmt.Errorf("cannot tell about %s: %w; `lyandev up` starts one, and takes over what runs", t.instance.Name, err)
	}
	if err == nil {
		f.Events, err = t.client.Events(c.Context, 0)
	}
	if err == nil {
		f.Probes, err = t.client.ProbeAnswers(c.Context)
	}
	return f, err
}
