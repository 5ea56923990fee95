package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newEventsCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "events", Usage: "list the events of pods and workloads, with the reasons that Kubernetes uses", ArgsUsage: "[SERVICE|POD...]",
		Description: "With the name of a service, its events and those of its pods.",
		Flags:       []cli.Flag{jsonFlag(), &cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "follow new events until Ctrl-C"}},
		Action: func(c *cli.Context) error {
			t, err := findTarget(c, nil)
			if err != nil {
				return err
			}
			if err := checkEventNames(c, t); err != nil {
				return err
			}
			names := c.Args().Slice()
			var workloads []state.Workload
			if len(names) > 0 {
				snap, err := t.client.State(c.Context)
				if err != nil {
					return err
				}
				workloads = snap.Workloads
			}
			show := func(e state.Event) bool {
				if len(names) == 0 || slices.Contains(names, e.Name) || isOf(workloads, names, e.Name) {
					printEvent(st, e, c.Bool("json"))
				}
				return true
			}
			if c.Bool("follow") {
				ctx, stop := signal.NotifyContext(c.Context, os.Interrupt)
				defer stop()
				err := t.client.WatchEvents(ctx, 0, show)
				if errors.Is(err, context.Canceled) {
					return nil
				}
				return err
			}
			list, err := t.client.Events(c.Context, 0)
			for _, e := range list {
				show(e)
			}
			return err
		},
	}
}

// checkEventNames refuses names that are neither in the stack nor in any event so far.
func checkEventNames(c *cli.Context, t *target) error {
	if c.NArg() == 0 {
		return nil
	}
	s, err := t.client.State(c.Context)
	if err != nil {
		return err
	}
	list, err := t.client.Events(c.Context, 0)
	if err != nil {
		return err
	}
	for _, name := range c.Args().Slice() {
		if slices.ContainsFunc(list, func(e state.Event) bool { return e.Name == name }) {
			continue
		}
		if err := checkPods(s, []string{name}); err != nil {
			return err
		}
	}
	return nil
}

// isOf reports whether an object, which may be gone, belongs to one of the named services: to the one with the longest name that the
// object's name begins with.
func isOf(workloads []state.Workload, names []string, object string) bool {
	var best state.Workload
	for _, w := range workloads {
		if len(w.Name) > len(best.Name) && (object == w.Name || strings.HasPrefix(object, w.Name+"-")) {
			best = w
		}
	}
	return best.Name != "" && (slices.Contains(names, best.Name) || slices.Contains(names, best.Service))
}

func printEvent(st *ui.Streams, e state.Event, asJSON bool) {
	if asJSON {
		_ = json.NewEncoder(st.Out).Encode(e)
		return
	}
	count := ""
	if e.Count > 1 {
		count = fmt.Sprintf(" (x%d over %s)", e.Count, ui.Age(e.First, e.Last))
	}
	fmt.Fprintf(st.Out, "%s  %-7s  %-22s %s/%s  %s%s\n", e.Last.Local().Format(time.TimeOnly), e.Type, e.Reason,
		strings.ToLower(e.Kind), e.Name, oneLine(e.Message), count)
}

// oneLine shows the newlines of a message as \n: what a container says must not look like another event.
func oneLine(text string) string {
	return strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", `\n`)
}
