package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/supervisor/api"
	"github.com/lyandev/lyandev/supervisor/explain"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newDescribeCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "describe", Usage: "show the details of pods or services: spec, state, probes, conditions, events", ArgsUsage: "POD|SERVICE...",
		Flags:  output.Flags(),
		Action: func(c *cli.Context) error { return runDescribe(c, st) },
	}
}

// description describes a pod or a workload.
type description interface {
	Text(f explain.Facts) string
}

func runDescribe(c *cli.Context, st *ui.Streams) error {
	how, err := outputOf(c, st)
	if err != nil {
		return err
	}
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
	switch {
	case how.ForProgram() && len(list) == 1:
		return output.Object(st.Out, list[0], how)
	case how.ForProgram():
		return output.Object(st.Out, list, how)
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
