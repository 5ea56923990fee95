package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newEventsCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "events", Usage: "list the events of pods and workloads, with the reasons that Kubernetes uses", ArgsUsage: "[SERVICE|POD...]",
		Description: "With the name of a service, its events and those of its pods. Warnings of an object that differ only in numbers are one line.",
		Flags: listFlags(
			&cli.BoolFlag{Name: "follow", Aliases: []string{"f", "watch", "w"}, Usage: "follow new events until Ctrl-C; JSON is then one object a line"},
		),
		Action: func(c *cli.Context) error { return runEvents(c, st) },
	}
}

func runEvents(c *cli.Context, st *ui.Streams) error {
	how, err := listOutput(c, st)
	if err != nil {
		return err
	}
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
	wanted := func(e state.Event) bool {
		return len(names) == 0 || slices.Contains(names, e.Name) || isOf(workloads, names, e.Name)
	}
	list, err := t.client.Events(c.Context, 0)
	if err != nil {
		return err
	}
	if c.Bool("follow") {
		return followEvents(c, st, t, list, wanted, how)
	}
	list = slices.DeleteFunc(list, func(e state.Event) bool { return !wanted(e) })
	if !how.ForProgram() {
		list = folded(list)
	}
	return eventList.Print(st.Out, list, how)
}

// followEvents prints the events so far, and then new ones until Ctrl-C or the supervisor's end.
func followEvents(c *cli.Context, st *ui.Streams, t *target, list []state.Event, wanted func(state.Event) bool, how output.Options) error {
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt)
	defer stop()
	how.Compact, how.Width = true, 0
	seen := uint64(0)
	if len(list) > 0 {
		seen = list[len(list)-1].Seq
	}
	list = slices.DeleteFunc(list, func(e state.Event) bool { return !wanted(e) })
	if !how.ForProgram() {
		list = folded(list)
	}
	failed := eventList.Print(st.Out, list, how)
	how.NoHeaders = true
	err := t.client.WatchEvents(ctx, seen, func(e state.Event) bool {
		if wanted(e) && failed == nil {
			failed = eventList.Print(st.Out, []state.Event{e}, how)
		}
		return failed == nil
	})
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(failed, err)
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

var eventList = output.List[state.Event]{
	Columns: []output.Column[state.Event]{
		{Title: "LAST", Cell: func(e state.Event) string { return e.Last.Local().Format(time.TimeOnly) }, Least: len(time.TimeOnly)},
		{Title: "TYPE", Cell: func(e state.Event) string { return e.Type }, Least: len("Warning")},
		{Title: "REASON", Cell: func(e state.Event) string { return e.Reason }, Least: 22},
		{Title: "OBJECT", Cell: func(e state.Event) string { return strings.ToLower(e.Kind) + "/" + e.Name }, Least: 16},
		{Title: "CONTAINER", Cell: func(e state.Event) string { return e.Container }, Wide: true, Least: 12},
		{Title: "MESSAGE", Cell: eventMessage},
	},
	Name: func(e state.Event) string { return strings.ToLower(e.Kind) + "/" + e.Name },
}

// eventMessage is an event's message on one line, with how often it came.
func eventMessage(e state.Event) string {
	text := output.OneLine(e.Message)
	if e.Count > 1 {
		text += fmt.Sprintf(" (x%d over %s)", e.Count, ui.Age(e.First, e.Last))
	}
	return text
}

// folded makes one event of those of an object that differ only in numbers, such as ports and times: the last, at its place, with
// the count of all.
func folded(list []state.Event) []state.Event {
	type key struct{ kind, name, container, typ, reason, message string }
	var out []state.Event
	last := map[key]int{}
	for _, e := range list {
		k := key{e.Kind, e.Name, e.Container, e.Type, e.Reason, digits.ReplaceAllString(e.Message, "0")}
		if i, ok := last[k]; ok && e.Type == "Warning" {
			e.Count, e.First = e.Count+out[i].Count, out[i].First
			out[i].Count = 0
		}
		last[k] = len(out)
		out = append(out, e)
	}
	return slices.DeleteFunc(out, func(e state.Event) bool { return e.Count == 0 })
}

var digits = regexp.MustCompile(`[0-9]+`)

// oneLine is a text on one line.
func oneLine(text string) string { return output.OneLine(text) }
