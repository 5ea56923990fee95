package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lyandev/lyandev/services/mask"
	"github.com/lyandev/lyandev/supervisor/explain"
	"github.com/lyandev/lyandev/supervisor/innerloop"
	"github.com/lyandev/lyandev/supervisor/resources"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
	"github.com/lyandev/lyandev/supervisor/ui/screen"
)

// tellChanges shows what happens to the stack until ctx ends: edits, ends of containers, roles, rollouts, switches. It shows states
// after settled is closed; before, somebody else does. It returns when the supervisor has ended.
func tellChanges(ctx context.Context, t *target, p screen.Progress, settled <-chan struct{}) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	told := make(chan struct{})
	go func() {
		defer close(told)
		tellEvents(ctx, t, p)
	}()
	states := make(chan *state.Status)
	go func() {
		defer close(states)
		_ = t.client.WatchState(ctx, func(s *state.Status) bool {
			select {
			case states <- s:
				return true
			case <-ctx.Done():
				return false
			}
		})
	}()
	c := changes{
		lastLines: func(pod, container string) []string { return lastLines(ctx, t, pod, container) },
		killed:    func(pod, container string, began time.Time) string { return killed(ctx, t, pod, container, began) },
	}
	tick := time.NewTicker(patience / 2)
	defer tick.Stop()
	for {
		var list []screen.Happening
		select {
		case <-settled:
			c.settled, settled = true, nil
			continue
		case s, ok := <-states:
			if !ok {
				end()
				<-told
				return
			}
			list = c.show(s)
			if c.settled {
				p.Show(s)
			}
		case <-tick.C:
			list = c.due(time.Now())
		}
		for _, h := range list {
			p.Happened(h)
		}
	}
}

// tellEvents shows the events from now on, and the edits, until ctx ends.
func tellEvents(ctx context.Context, t *target, p screen.Progress) {
	advised := map[string]bool{} // the services whose slow end was told
	watchEvents(ctx, t, eventFilter{p, func(e state.Event) {
		var records []innerloop.Record
		_ = t.client.Loop(ctx, &records) // without them the event says it
		name, m := e.Name, mask.New(nil)
		if s, err := t.client.State(ctx); err == nil {
			m = explain.Masker(s)
			if w, ok := s.Workload(name); ok {
				name = w.Shown()
			}
		}
		if h, ok := editHappening(e, name, records); ok {
			if advised[e.Name] {
				h.More = nil
			}
			advised[e.Name] = advised[e.Name] || len(h.More) > 0
			h.Text = m.String(h.Text) // a command that failed may have written anything
			p.Happened(h)
		}
	}}, func(reason string) bool { return resources.IsNote(reason) || reason == "BackOff" })
}

// eventFilter is a progress of which edit gets the events of edits.
type eventFilter struct {
	screen.Progress
	edit func(state.Event)
}

// Event implements screen.Progress.
func (f eventFilter) Event(e state.Event) {
	if e.Kind == "Workload" && slices.Contains(editReasons, strings.TrimPrefix(e.Reason, "Failed")) {
		f.edit(e)
		return
	}
	f.Progress.Event(e)
}

// editReasons are the reasons of events of edits; with Failed before them, of edits that failed.
var editReasons = []string{"Synced", "Restarted", "Rebuilt"}

// editHappening describes an edit of what people know as name by its record, the last one of its workload, else by its event. ok is false if it changed nothing.
func editHappening(e state.Event, name string, records []innerloop.Record) (h screen.Happening, ok bool) {
	failed := strings.HasPrefix(e.Reason, "Failed")
	for _, r := range slices.Backward(records) {
		if r.Workload != e.Name {
			continue
		}
		h.Edit = &screen.Edit{Workload: name, Took: r.Total, Failed: failed}
		if failed {
			why, _, _ := strings.Cut(strings.TrimSpace(r.Error), "\n")
			return screen.Happening{Text: name + ": edit failed: " + why, Style: ui.Red, Edit: h.Edit}, true
		}
		if len(r.Actions) == 0 {
			return h, false
		}
		h.More = graceUsed(r)
		h.Text, h.Style = fmt.Sprintf("%s: %s, live in %s%s", name, editText(r), screen.Took(r.Total), editedFiles(r)), ui.Green
		return h, true
	}
	text, _, _ := strings.Cut(e.Message, " (batched ") // the time of each stage is in the event
	if failed {
		return screen.Happening{Text: name + ": edit failed: " + oneLine(e.Message), Style: ui.Red}, true
	}
	return screen.Happening{Text: name + ": edit is live: " + text, Style: ui.Green}, true
}

// usualGrace is how long a process may take to end after its stop signal, unless the file says otherwise.
const usualGrace = 10 * time.Second

// graceUsed says why a restart of a process took as long as it may take: the process does not act on its stop signal.
func graceUsed(r innerloop.Record) []string {
	if r.Pods == 0 || r.Restarted/time.Duration(r.Pods) < usualGrace {
		return nil
	}
	return []string{
		fmt.Sprintf("the restart took %s: the process does not end on its stop signal, and is killed after its grace period;", screen.Took(r.Restarted)),
		"write init: true, a stop_signal that it acts on, or a shorter stop_grace_period",
	}
}

// editText says what was done: "2 files synced, process restarted, in 3 pods".
func editText(r innerloop.Record) string {
	var parts []string
	files := fmt.Sprintf("%d %s", r.Files, plural(r.Files, "file"))
	for _, action := range r.Actions {
		switch action {
		case "sync":
			parts = append(parts, files+" synced")
		case "sync+restart":
			parts = append(parts, files+" synced, restarted")
		case "restart":
			parts = append(parts, files+" changed, restarted")
		case "rebuild":
			parts = append(parts, "image rebuilt")
		case "exec":
			parts = append(parts, "command run")
		default:
			parts = append(parts, action)
		}
	}
	text := strings.Join(parts, ", ")
	if r.Pods > 1 {
		text += fmt.Sprintf(", %d pods", r.Pods)
	}
	return text
}

// editedFiles names the file that was edited, if it was one: " (app.py)".
func editedFiles(r innerloop.Record) string {
	if r.Files != 1 || len(r.Paths) != 1 {
		return ""
	}
	return " (" + r.Paths[0][strings.LastIndexAny(r.Paths[0], `/\`)+1:] + ")"
}

// killed returns why lyandev ended the run of a container that began at a time, as it said in an event before: "has changed files",
// "failed liveness probe". It is "" if it did not, or if the events cannot be read.
func killed(ctx context.Context, t *target, pod, container string, began time.Time) string {
	events, err := t.client.Events(ctx, 0)
	if err != nil {
		return ""
	}
	return killedIn(events, pod, container, began)
}

func killedIn(events []state.Event, pod, container string, began time.Time) string {
	for _, e := range slices.Backward(events) {
		if e.Kind != "Pod" || e.Name != pod || e.Reason != "Killing" || e.Container != container && e.Container != "" || e.Last.Before(began) {
			continue
		}
		text, meant := strings.CutSuffix(strings.TrimPrefix(e.Message, "Container "+container+" "), ", will be restarted")
		if meant {
			return text
		}
	}
	return ""
}
