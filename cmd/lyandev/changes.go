package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/explain"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// tellChanges prints a line for each edit that went live or failed, each restart of a container, and each rollout, until ctx ends.
func tellChanges(ctx context.Context, t *target, st *ui.Streams) {
	told := make(chan struct{})
	tell := func(lines []string) {
		for _, line := range lines {
			fmt.Fprintf(st.Err, "%s %s\n", st.Paint(ui.Cyan, "lyandev:"), line)
		}
	}
	go func() {
		defer close(told)
		seen := uint64(0)
		if old, err := t.client.Events(ctx, 0); err == nil && len(old) > 0 {
			seen = old[len(old)-1].Seq
		}
		_ = t.client.WatchEvents(ctx, seen, func(e state.Event) bool { tell(editLine(e)); return true })
	}()
	c := changes{lastLines: func(pod, container string) []string { return lastLines(ctx, t, pod, container) }}
	_ = t.client.WatchState(ctx, func(s *state.Status) bool { tell(c.show(s)); return true })
	<-told
}

// editLine describes the event of an edit; none for other events.
func editLine(e state.Event) []string {
	if e.Kind != "Workload" {
		return nil
	}
	switch e.Reason {
	case "Synced", "Restarted", "Rebuilt":
		text, _, _ := strings.Cut(e.Message, " (batched ") // the time of each stage is in the event
		return []string{e.Name + ": edit is live: " + text}
	case "FailedSynced", "FailedRestarted", "FailedRebuilt":
		return []string{e.Name + ": edit failed: " + oneLine(e.Message)}
	}
	return nil
}

// changes describes what changed from one snapshot to the next.
type changes struct {
	last      *state.Status
	lastLines func(pod, container string) []string
	// rollouts are when the rollouts under way began, by workload.
	rollouts map[string]time.Time
}

// show returns a line for each change since the last snapshot, none for the first snapshot.
func (c *changes) show(s *state.Status) []string {
	before := c.last
	c.last = s
	if before == nil || s.Phase == state.Stopping || s.Phase == state.Stopped {
		return nil
	}
	var out []string
	for _, p := range s.Pods {
		out = append(out, c.restarts(before.Pod(p.Name), p)...)
	}
	masker := explain.Masker(s)
	for i := range out {
		out[i] = masker.String(out[i])
	}
	for _, w := range s.Workloads {
		if old, ok := before.Workload(w.Name); ok {
			out = append(out, c.rollout(old, w, s.Time)...)
		}
	}
	return out
}

// restarts describes the containers of a pod that were restarted.
func (c *changes) restarts(before, p *corev1.Pod) []string {
	if before == nil || before.UID != p.UID {
		return nil
	}
	counts := map[string]int32{}
	for _, s := range before.Status.ContainerStatuses {
		counts[s.Name] = s.RestartCount
	}
	var out []string
	for _, s := range p.Status.ContainerStatuses {
		if s.RestartCount <= counts[s.Name] {
			continue
		}
		text := fmt.Sprintf("%s: container %s of pod %s was restarted (%d so far)", services.ShownService(p), s.Name, p.Name, s.RestartCount)
		if t := s.LastTerminationState.Terminated; t != nil {
			text += "; "
			if t.Reason == services.ReasonRestarted {
				text += t.Message + ", and " // somebody asked for it
			}
			text += fmt.Sprintf("it exited with code %d", t.ExitCode)
		}
		out = append(out, text)
		for _, line := range c.lastLines(p.Name, s.Name) {
			out = append(out, "    "+line)
		}
	}
	return out
}

// rollout describes the begin and the end of a rollout, and a workload that is not right any more or again.
func (c *changes) rollout(before, w state.Workload, now time.Time) []string {
	if c.rollouts == nil {
		c.rollouts = map[string]time.Time{}
	}
	began, rolling := c.rollouts[w.Name]
	name := cmp.Or(w.Service, w.Name)
	switch {
	case w.Revision != before.Revision && before.Revision != "" && w.Revision != "":
		c.rollouts[w.Name] = now
		return []string{name + ": rollout of a changed version begins"}
	case rolling && w.Right:
		delete(c.rollouts, w.Name)
		return []string{fmt.Sprintf("%s: rolled out, %d of %d pods ready after %s", name, w.Ready, w.Want, now.Sub(began).Round(100*time.Millisecond))}
	case rolling || w.Runs != nil || w.Right == before.Right:
		return nil
	case w.Right:
		return []string{fmt.Sprintf("%s: ready again (%d/%d)", name, w.Ready, w.Want)}
	}
	return []string{fmt.Sprintf("%s: not ready (%d/%d); `lyandev why %s` says why", name, w.Ready, w.Want, name)}
}
