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
		Name: "why", Usage: "explain what a service or pod waits for, down to the root cause", ArgsUsage: "[SERVICE|POD]",
		Description: "Without an argument, explains the first cause that keeps the stack from being ready. Exits with 0 if nothing waits,\n" +
			"otherwise with 3.",
		Flags:  []cli.Flag{jsonFlag()},
		Action: func(c *cli.Context) error { return runWhy(c, st, c.Bool("json")) },
	}
}

func runWhy(c *cli.Context, st *ui.Streams, asJSON bool) error {
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

// findFacts asks the supervisor for the snapshot, events and probe results that explanations are based on.
func findFacts(c *cli.Context, t *target) (explain.Facts, error) {
	f := explain.Facts{Now: time.Now()}
	var err error
	f.Snapshot, err = t.client.State(c.Context)
	if errors.Is(err, api.ErrNoSupervisor) {
		return f, fmt.Errorf("cannot read the state of %s: %w; `lyandev up` starts one and takes over running pods", t.instance.Name, err)
	}
	if err == nil {
		f.Events, err = t.client.Events(c.Context, 0)
	}
	if err == nil {
		f.Probes, err = t.client.ProbeAnswers(c.Context)
	}
	return f, err
}
