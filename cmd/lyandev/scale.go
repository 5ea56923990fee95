package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newScaleCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "scale", Usage: "change the number of replicas of services in the running stack", ArgsUsage: "SERVICE=N...",
		Description: "The change lasts until the next up or profile switch, which restores the file's numbers. Deployments, ReplicaSets and\n" +
			"StatefulSets can be scaled, also to 0 (StatefulSets by ordinal; volumes are kept). If any argument is invalid,\n" +
			"nothing is changed.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "wait", Usage: "return when the services are ready and surplus pods are gone"},
			&cli.DurationFlag{Name: "timeout", Value: 5 * time.Minute, Usage: "with --wait: give up after `DURATION`"},
		},
		Action: func(c *cli.Context) error { return runScale(c, st) },
	}
}

// parseScale parses SERVICE=N arguments; each service may appear once.
func parseScale(args []string) (map[string]int, error) {
	out := map[string]int{}
	for _, a := range args {
		name, number, ok := strings.Cut(a, "=")
		n, err := strconv.Atoi(number)
		if !ok || name == "" || err != nil {
			return nil, fmt.Errorf("cannot parse %q: it must be SERVICE=N, for example web=3", a)
		}
		if _, twice := out[name]; twice {
			return nil, fmt.Errorf("cannot scale %s: it is given more than once", name)
		}
		if n < 0 {
			return nil, fmt.Errorf("cannot scale %s to %d: a service cannot have less than 0 pods", name, n)
		}
		out[name] = n
	}
	return out, nil
}

func runScale(c *cli.Context, st *ui.Streams) error {
	replicas, err := parseScale(c.Args().Slice())
	if err != nil {
		return withCode(exitUsage, err)
	}
	t, err := findTarget(c, nil)
	if err != nil {
		return err
	}
	before, err := t.client.State(c.Context)
	if err != nil {
		return unattended(c.Context, t, "scale services of", err)
	}
	if err := checkServices(before, slices.Sorted(maps.Keys(replicas))); err != nil {
		return err
	}
	if err := t.client.Scale(c.Context, replicas); err != nil {
		return err
	}
	for _, a := range c.Args().Slice() {
		name, n, _ := strings.Cut(a, "=")
		fmt.Fprintf(st.Err, "scaling %s to %s pods\n", name, n)
	}
	if !c.Bool("wait") {
		return nil
	}
	return waitScaled(c, t, replicas)
}

// waitScaled blocks until the services have the desired number of pods and are ready, or until --timeout.
func waitScaled(c *cli.Context, t *target, replicas map[string]int) error {
	done := make(chan error, 1)
	go func() {
		done <- t.client.WatchState(c.Context, func(s *state.Status) bool {
			for name, n := range replicas {
				if w, ok := s.Workload(name); !ok || int(w.Want) != n || !w.Right || len(s.PodsOf(name)) != n {
					return true
				}
			}
			return false
		})
	}()
	select {
	case err := <-done:
		return err
	case <-time.After(c.Duration("timeout")):
		return notReady(c.Context, t, fmt.Errorf("timed out after %s", c.Duration("timeout")))
	}
}
