package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/explain"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
	"github.com/lyandev/lyandev/supervisor/ui/screen"
)

// changes describes what happened from one state to the next.
type changes struct {
	last *state.Status
	// lastLines returns the last lines of the log of a container's last run; killed returns why lyandev ended a run that began at a time:
	// "has changed files", "failed liveness probe"; "" if it did not.
	lastLines func(pod, container string) []string
	killed    func(pod, container string, began time.Time) string
	// quoted are the lines that were shown last of a container: the same ones are not shown again.
	quoted map[string]string
	// settled: the start has been shown. Before, its picture says what is not ready.
	settled bool
	// began is when the first state was published. Ends before it are known from an earlier up.
	began time.Time
	// rollouts are when the rollouts under way began, and unready since when workloads are not right, by workload. told are those of
	// unready that were told.
	rollouts, unready map[string]time.Time
	told              map[string]bool
}

// patience is how long a workload must not be ready before that is told: a restart that is over by then tells itself.
const patience = time.Second

// show returns what happened since the last state, nothing for the first one.
func (c *changes) show(s *state.Status) (out []screen.Happening) {
	before := c.last
	c.last = s
	if c.rollouts == nil {
		c.began = s.Time.Truncate(time.Second) // Docker rounds some times down
		c.rollouts, c.unready, c.told, c.quoted = map[string]time.Time{}, map[string]time.Time{}, map[string]bool{}, map[string]string{}
	}
	if before == nil || s.Phase == state.Stopping || s.Phase == state.Stopped {
		return nil
	}
	if c.settled {
		out = append(out, engineChange(before, s)...)
	}
	for _, p := range s.Pods {
		out = append(out, c.ends(before.Pod(p.Name), p)...)
		out = append(out, c.role(before.Pod(p.Name), p)...)
	}
	for _, w := range s.Workloads {
		if old, ok := before.Workload(w.Name); ok {
			out = append(out, c.rollout(before, old, w)...)
		}
	}
	out = append(out, switchChange(before.Switch, s.Switch)...)
	if c.settled {
		out = append(out, newWarnings(before, s)...)
	}
	m := explain.Masker(s)
	for i := range out {
		out[i].Text = m.String(out[i].Text)
		for k := range out[i].More {
			out[i].More[k] = m.String(out[i].More[k])
		}
	}
	return out
}

func engineChange(before, s *state.Status) []screen.Happening {
	switch {
	case before.Engine == "" && s.Engine != "":
		return []screen.Happening{{Text: s.Engine, Style: ui.Red}}
	case before.Engine != "" && s.Engine == "":
		return []screen.Happening{{Text: "the Docker engine answers again", Style: ui.Green}}
	}
	return nil
}

// newWarnings are the warnings that came, but those that have happenings of their own.
func newWarnings(before, s *state.Status) (out []screen.Happening) {
	for _, text := range s.Warnings {
		if !slices.Contains(before.Warnings, text) && !strings.HasPrefix(text, "edit of ") && !strings.HasPrefix(text, "rollout of ") {
			out = append(out, screen.Happening{Text: "warning: " + text, Style: ui.Yellow})
		}
	}
	return out
}

// ends describes the ends of a pod's containers that nobody asked for.
func (c *changes) ends(before, p *corev1.Pod) (out []screen.Happening) {
	if p.DeletionTimestamp != nil {
		return nil
	}
	if p.Status.Reason == services.ReasonStopped {
		if before == nil || before.Status.Reason == services.ReasonStopped {
			return nil
		}
		return []screen.Happening{{Text: fmt.Sprintf("%s: %s was stopped", services.ShownService(p), services.ShownPod(p))}}
	}
	var known []corev1.ContainerStatus
	if before != nil && before.UID == p.UID {
		known = slices.Concat(before.Status.InitContainerStatuses, before.Status.ContainerStatuses)
	}
	for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		end := lastEnd(s)
		i := slices.IndexFunc(known, func(old corev1.ContainerStatus) bool { return old.Name == s.Name })
		if end == nil || i >= 0 && sameEnd(lastEnd(known[i]), end) || end.FinishedAt.Time.Before(c.began) {
			continue
		}
		if h := c.end(p, s, end); h.Text != "" {
			out = append(out, h)
		}
	}
	return out
}

// lastEnd is the latest end of a container, nil if it has not ended.
func lastEnd(s corev1.ContainerStatus) *corev1.ContainerStateTerminated {
	return cmp.Or(s.State.Terminated, s.LastTerminationState.Terminated)
}

func sameEnd(a, b *corev1.ContainerStateTerminated) bool {
	return a != nil && a.ContainerID == b.ContainerID && a.FinishedAt.Equal(&b.FinishedAt)
}

// end describes one end of a container. It is empty for an end that was meant: an edit tells of itself, and so does whoever restarts a
// service.
func (c *changes) end(p *corev1.Pod, s corev1.ContainerStatus, t *corev1.ContainerStateTerminated) screen.Happening {
	name, service := services.ShownPod(p), services.ShownService(p)
	if len(p.Spec.Containers)+len(p.Spec.InitContainers) > 1 {
		name += "/" + s.Name
	}
	why := strings.TrimPrefix(t.Message, "it ")
	if t.Reason != services.ReasonRestarted {
		why = c.killed(p.Name, s.Name, t.StartedAt.Time)
	}
	what := fmt.Sprintf("%s exited with code %d", name, t.ExitCode)
	switch {
	case why == "has changed files":
		return screen.Happening{}
	case strings.HasPrefix(why, "failed "):
		what = fmt.Sprintf("%s was killed: it %s", name, why)
	case why != "":
		return screen.Happening{Text: fmt.Sprintf("%s: %s %s", service, name, why)}
	case t.ExitCode == 0 && s.State.Terminated != nil:
		return screen.Happening{} // it has done its work
	case t.Reason == "OOMKilled":
		what += " (OOMKilled: it used more memory than its limit)"
	}
	h := screen.Happening{Text: service + ": " + what + next(s), Style: ui.Red}
	lines := c.lastLines(p.Name, s.Name)
	if text := strings.Join(lines, "\n"); text != c.quoted[p.Name+"/"+s.Name] {
		c.quoted[p.Name+"/"+s.Name] = text
		h.More = lines
	}
	return h
}

// next says what becomes of a container that ended.
func next(s corev1.ContainerStatus) string {
	waiting := s.State.Waiting
	switch {
	case s.State.Terminated != nil:
		return ""
	case s.State.Running != nil:
		return fmt.Sprintf("; restarted (%d so far)", s.RestartCount)
	case waiting != nil && waiting.Reason == "CrashLoopBackOff":
		if words := strings.Fields(waiting.Message); len(words) > 1 && words[0] == "back-off" {
			return fmt.Sprintf("; restarts in %s (%d so far)", words[1], s.RestartCount)
		}
	}
	return fmt.Sprintf("; restarts (%d so far)", s.RestartCount)
}

// role describes a pod's new role. The first roles of a start are not told.
func (c *changes) role(before, p *corev1.Pod) []screen.Happening {
	if before == nil || before.UID != p.UID {
		return nil
	}
	old, role := before.Labels[services.RoleLabel], p.Labels[services.RoleLabel]
	switch {
	case role == old || role == "" || old == "" && !c.settled:
		return nil
	case old == "":
		return []screen.Happening{{Text: fmt.Sprintf("%s: %s is %s now", services.ShownService(p), services.ShownPod(p), role)}}
	}
	return []screen.Happening{{Text: fmt.Sprintf("%s: %s is %s now (was %s)", services.ShownService(p), services.ShownPod(p), role, old)}}
}

// rollout describes a changed number of pods, the begin and the end of a rollout, and a workload that is right again.
func (c *changes) rollout(last *state.Status, before, w state.Workload) []screen.Happening {
	s := c.last
	began, rolling := c.rollouts[w.Name]
	name, stuck := w.Shown(), "rollout of "+w.Name+" is stuck"
	if w.Right {
		since, told := c.unready[w.Name], c.told[w.Name]
		delete(c.unready, w.Name)
		delete(c.told, w.Name)
		if told && !rolling {
			return []screen.Happening{{Text: fmt.Sprintf("%s: ready, %d/%d pods, after %s", name, w.Ready, w.Want, screen.Took(s.Time.Sub(since))), Style: ui.Green}}
		}
	}
	if w.Want != before.Want && before.Want > 0 && w.Runs == nil && w.Kind != "Job" {
		if !w.Right {
			c.unready[w.Name], c.told[w.Name] = s.Time, true
		}
		return []screen.Happening{{Text: fmt.Sprintf("%s: scaled from %d to %d pods", name, before.Want, w.Want)}}
	}
	switch {
	case w.Revision != before.Revision && before.Revision != "" && w.Revision != "":
		c.rollouts[w.Name] = s.Time
		return []screen.Happening{{Text: name + ": rollout of a changed version begins"}}
	case rolling && w.Right:
		delete(c.rollouts, w.Name)
		return []screen.Happening{{
			Text: fmt.Sprintf("%s: rolled out, %d/%d pods ready after %s", name, w.Ready, w.Want, screen.Took(s.Time.Sub(began))), Style: ui.Green,
		}}
	case !w.Right && before.Right && w.Runs == nil && !rolling:
		c.unready[w.Name] = s.Time
	}
	for _, text := range s.Warnings {
		if strings.HasPrefix(text, stuck) && !slices.Contains(last.Warnings, text) {
			return []screen.Happening{{Text: name + ": rollout failed: " + text, Style: ui.Red}}
		}
	}
	return nil
}

// due returns the workloads that have not been ready for a while, once each.
func (c *changes) due(now time.Time) (out []screen.Happening) {
	if c.last == nil || !c.settled || c.last.Phase == state.Stopping || c.last.Phase == state.Stopped {
		return nil
	}
	for _, w := range c.last.Workloads {
		if since, ok := c.unready[w.Name]; ok && !c.told[w.Name] && now.Sub(since) >= patience && !c.stopped(w) {
			c.told[w.Name] = true
			out = append(out, screen.Happening{
				Text: fmt.Sprintf("%s: not ready (%d/%d); `lyandev why %s` says why", w.Shown(), w.Ready, w.Want, w.Shown()), Style: ui.Yellow,
			})
		}
	}
	return out
}

// stopped reports whether somebody stopped a pod of a workload: that was told.
func (c *changes) stopped(w state.Workload) bool {
	return slices.ContainsFunc(c.last.PodsOf(w.Name), func(p *corev1.Pod) bool { return p.Status.Reason == services.ReasonStopped })
}

// switchChange describes the begin and the end of a profile switch.
func switchChange(before, s *state.Switch) []screen.Happening {
	same := before != nil && s != nil && before.Started.Equal(s.Started)
	switch {
	case s == nil || same && before.Over() == s.Over():
		return nil
	case !s.Over():
		return []screen.Happening{{Text: fmt.Sprintf("switch %s begins", state.FromTo(s.From, s.To))}}
	}
	took := screen.Took(s.Ended.Sub(s.Started))
	if s.Phase == state.SwitchDone {
		return []screen.Happening{{Text: fmt.Sprintf("switched %s in %s", state.FromTo(s.From, s.To), took), Style: ui.Green}}
	}
	return []screen.Happening{{Text: fmt.Sprintf("switch %s %s after %s: %s", state.FromTo(s.From, s.To), switchEnd(s.Phase), took, s.Error), Style: ui.Red}}
}

func switchEnd(p state.SwitchPhase) string {
	if p == state.SwitchRolledBack || p == state.SwitchRefused {
		return "was " + string(p)
	}
	return string(p)
}
