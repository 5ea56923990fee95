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

func newDescribeCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "describe", Usage: "show the details of pods or services: spec, state, probes, conditions, events", ArgsUsage: "POD|SERVICE...",
		Flags:  []cli.Flag{jsonFlag()},
		Action: func(c *cli.Context) error { return runDescribe(c, st, c.Bool("json")) },
	}
}

// description describes a pod or a workload.
type description interface {
	Text(f explain.Facts) string
}

func runDescribe(c *cli.Context, st *ui.Streams, asJSON bool) error {
	t, err := findTarget(c, nil)
	if err != nil {
		return err
	}
	f, err := findFacts(c, t)
	if errors.Is(err, api.ErrNoSupervisor) {
		f.Now = time.Now()
		f.Snapshot, err = observe(c, t)
	}
	if err != nil {
		return err
	}
	var list []description
	for _, name := range c.Args().Slice() {
		d, err := describe(c, t, f, name)
		if err != nil {
			return err
		}
		list = append(list, d)
	}
	if asJSON && len(list) == 1 {
		return printJSON(st.Out, list[0])
	}
	if asJSON {
		return printJSON(st.Out, list)
	}
	for n, d := range list {
		if n > 0 {
			fmt.Fprintln(st.Out)
		}
		fmt.Fprint(st.Out, d.Text(f))
	}
	return nil
}

// describe describes the workload or pod of a name. A workload wins over a pod of the same name, unless it is a bare pod.
func describe(c *cli.Context, t *target, f explain.Facts, name string) (description, error) {
	if w, ok := f.Snapshot.Workload(name); ok && (w.Kind != "Pod" || f.Snapshot.Pod(name) == nil) {
		x, err := t.client.Workload(c.Context, name)
		if err != nil {
			return nil, err
		}
		return explain.Workload(f, x), nil
	}
	d, err := explain.Pod(f, name)
	return d, withCode(exitUsage, err)
}
