package explain

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/bootstrap"
	"github.com/lyandev/lyandev/supervisor/cluster/view"
	podworker "github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/probe"
	"github.com/lyandev/lyandev/supervisor/state"
)

// pod returns why a pod is not Ready. It is nil if the pod is Ready or has succeeded.
func (f Facts) pod(p *corev1.Pod) []Link {
	l := Link{Kind: "pod", Name: "pod " + p.Name, Since: condition(p, corev1.PodReady).LastTransitionTime.Time}
	switch {
	case p.DeletionTimestamp != nil:
		l.Text, l.Since = "is being stopped"+graceOf(p), p.DeletionTimestamp.Time
		return []Link{l}
	case isPaused(p):
		c := condition(p, services.Paused)
		l.Text, l.Since = "is paused: "+c.Message, c.LastTransitionTime.Time
		return []Link{l}
	case state.PodReady(p), p.Status.Phase == corev1.PodSucceeded:
		return nil
	case p.Status.Phase == corev1.PodFailed:
		l.Text = "has failed and will not be restarted" + reasonAnd(p.Status.Reason, p.Status.Message)
		return append([]Link{l}, f.ended(p)...)
	}
	l.Text = "is not ready"
	if c, ok := f.container(p); ok {
		return []Link{l, c}
	}
	if text, ok := gateText(p); ok {
		l.Text = text
		return []Link{l}
	}
	if len(p.Status.ContainerStatuses) == 0 {
		l.Text, l.Since = "has not been started yet", p.CreationTimestamp.Time
	}
	return []Link{l}
}

// isPaused reports whether a container of the pod is paused in the engine. Without probes such a pod stays Ready.
func isPaused(p *corev1.Pod) bool {
	return condition(p, services.Paused).Status == corev1.ConditionTrue
}

// pausedPod explains the first paused pod. It is nil if none is paused.
func (f Facts) pausedPod(pods []*corev1.Pod) []Link {
	if i := slices.IndexFunc(pods, isPaused); i >= 0 {
		return f.pod(pods[i])
	}
	return nil
}

// gateText describes the first readiness gate that is not True (R122).
func gateText(p *corev1.Pod) (string, bool) {
	for _, g := range p.Spec.ReadinessGates {
		c := condition(p, g.ConditionType)
		if c.Status == corev1.ConditionTrue {
			continue
		}
		if g.ConditionType == bootstrap.Gate {
			return "passes its probes, but its bootstrap is not complete" + reasonAnd("", c.Message), true
		}
		if g.ConditionType == services.RightGate {
			if c.Message == "" {
				return "passes its probes, but its operator has not checked it yet", true
			}
			return "passes its probes, but is not right yet" + reasonAnd(c.Reason, c.Message), true
		}
		return fmt.Sprintf("waits for readiness gate %s%s", g.ConditionType, reasonAnd(c.Reason, c.Message)), true
	}
	return "", false
}

func graceOf(p *corev1.Pod) string {
	if g := p.DeletionGracePeriodSeconds; g != nil {
		return fmt.Sprintf(" (grace %ds)", *g)
	}
	return ""
}

func reasonAnd(reason, message string) string {
	switch {
	case reason != "" && message != "":
		return ": " + reason + ": " + message
	case reason+message != "":
		return ": " + reason + message
	}
	return ""
}

// container returns the first container that keeps the pod from being ready, init containers first.
func (f Facts) container(p *corev1.Pod) (Link, bool) {
	for i, s := range p.Status.InitContainerStatuses {
		if l, ok := f.initContainer(p, s, i); ok {
			return f.startFailed(l, p, s), true
		}
	}
	for _, s := range p.Status.ContainerStatuses {
		if l, ok := f.mainContainer(p, s); ok {
			return f.startFailed(l, p, s), true
		}
	}
	return Link{}, false
}

// startFailed completes the link of a container: whose it is, and why it cannot start if its command cannot be run.
func (f Facts) startFailed(l Link, p *corev1.Pod, s corev1.ContainerStatus) Link {
	l.pod, l.container = p.Name, s.Name
	l.final = l.final || view.Never(p) != ""
	w, _ := f.Snapshot.Workload(workloadOf(p))
	var messages []string
	if s.State.Waiting != nil {
		messages = append(messages, s.State.Waiting.Message)
	}
	for _, t := range []*corev1.ContainerStateTerminated{s.State.Terminated, s.LastTerminationState.Terminated} {
		if t != nil && s.State.Running == nil {
			messages = append(messages, t.Message)
		}
	}
	for _, m := range messages {
		if text := startError(m, w); text != "" {
			l.Text, l.bad, l.ended = text, true, false
			return l
		}
	}
	return l
}

func (f Facts) initContainer(p *corev1.Pod, s corev1.ContainerStatus, n int) (Link, bool) {
	c := containerSpec(p, s.Name)
	if c != nil && c.RestartPolicy != nil { // a sidecar completes initialisation once it has started (R113)
		if s.Started != nil && *s.Started {
			return Link{}, false
		}
		return f.mainContainer(p, s)
	}
	l := Link{Kind: "container", Name: fmt.Sprintf("init container %s (%d of %d)", s.Name, n+1, len(p.Spec.InitContainers))}
	switch t := s.State.Terminated; {
	case t != nil && t.ExitCode == 0:
		return l, false
	case s.State.Running != nil:
		l.Text, l.Since = "is still running", s.State.Running.StartedAt.Time
		return l, true
	}
	f.stopped(&l, s)
	return l, true
}

func (f Facts) mainContainer(p *corev1.Pod, s corev1.ContainerStatus) (Link, bool) {
	l := Link{Kind: "container", Name: "container " + s.Name}
	if s.Ready {
		return l, false
	}
	if s.State.Running == nil {
		f.stopped(&l, s)
		return l, true
	}
	l.Since = s.State.Running.StartedAt.Time
	c := containerSpec(p, s.Name)
	switch {
	case c == nil:
		return l, false
	case s.Started != nil && !*s.Started && c.StartupProbe != nil:
		l.Text = "runs, but its startup probe has not succeeded yet"
		f.answered(&l, p, s.Name, probe.Startup)
	case c.ReadinessProbe != nil:
		l.Text = "runs, but its readiness probe has not succeeded yet"
		if c := condition(p, corev1.ContainersReady); c.Status == corev1.ConditionFalse && c.LastTransitionTime.Sub(l.Since) > 2*time.Second {
			l.Text, l.Since = "runs, but its readiness probe fails", c.LastTransitionTime.Time
		}
		f.answered(&l, p, s.Name, probe.Readiness)
	default:
		f.healthChecked(&l, p)
	}
	if e, ok := f.answer(p, s.Name, probe.Liveness); ok && !e.Last.Before(s.State.Running.StartedAt.Time) && l.Answer == "" {
		f.answered(&l, p, s.Name, probe.Liveness)
	}
	return l, true
}

// healthChecked describes a container that runs and is not ready by what the engine's health check says.
func (f Facts) healthChecked(l *Link, p *corev1.Pod) {
	c := condition(p, services.HealthCheck)
	said := reasonAnd("", c.Message)
	switch {
	case c.Reason == services.HealthUnhealthy:
		l.Text, l.Since, l.bad = "is unhealthy"+said, c.LastTransitionTime.Time, true
	case c.Reason == services.HealthStarting:
		l.Text = "runs, but its health check has not passed yet" + said
	case p.Status.Reason == services.ReasonPostStart:
		l.Text, l.bad = "runs, but "+p.Status.Message, true
	default:
		l.Text = "has just started"
	}
}

// isHeld reports whether a container of the pod is waiting for a dependency of its workload.
func isHeld(p *corev1.Pod) bool {
	return slices.ContainsFunc(slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses), func(s corev1.ContainerStatus) bool {
		return s.State.Waiting != nil && s.State.Waiting.Reason == podworker.ReasonHeld
	})
}

func (f Facts) answered(l *Link, p *corev1.Pod, container string, typ probe.Type) {
	if e, ok := f.answer(p, container, typ); ok {
		l.Answer, l.AnswerAt, l.AnswerCount = e.Message, e.Last, e.Count
		if c := containerSpec(p, container); c != nil && typ.Of(c) != nil {
			l.Asks = handlerText(typ.Of(c).ProbeHandler)
		}
	}
}

// stopped describes a container that is not running: what it is waiting for, and when it is restarted.
func (f Facts) stopped(l *Link, s corev1.ContainerStatus) {
	last := s.LastTerminationState.Terminated
	if t := s.State.Terminated; t != nil {
		l.Text, l.Since, l.ended, l.bad = exitText(t), t.FinishedAt.Time, true, t.ExitCode != 0
		return
	}
	w := s.State.Waiting
	switch {
	case w == nil || w.Reason == "":
		l.Text = "waits to be started"
	case w.Reason == podworker.ReasonHeld:
		l.Text = w.Message
	case w.Reason == "CrashLoopBackOff" && last != nil:
		l.Text = fmt.Sprintf("is in CrashLoopBackOff after %d %s: it %s", s.RestartCount, restarts(s.RestartCount), exitText(last))
		l.Since, l.ended, l.bad = last.FinishedAt.Time, true, true
		if d, ok := backOff(w.Message); ok {
			l.Restart = last.FinishedAt.Add(d)
		}
	case w.Reason == "ContainerCreating":
		l.Text = "is being created"
	case w.Reason == "PodInitializing":
		l.Text = "waits for the init containers"
	default:
		l.Text, l.bad = "is in "+w.Reason+reasonAnd("", w.Message), true
	}
}

// backOff parses the delay from the kubelet's message: "back-off 20s restarting failed container=..." (R75).
func backOff(message string) (time.Duration, bool) {
	words := strings.Fields(message)
	if len(words) < 2 || words[0] != "back-off" {
		return 0, false
	}
	d, err := time.ParseDuration(words[1])
	return d, err == nil
}

// exitText describes how a container exited, as a predicate.
func exitText(t *corev1.ContainerStateTerminated) string {
	text := fmt.Sprintf("exited with code %d", t.ExitCode)
	if t.Signal != 0 {
		text = fmt.Sprintf("was killed by signal %d", t.Signal)
	}
	if t.Reason != "" && t.Reason != "Error" && t.Reason != "Completed" {
		text += " (" + t.Reason + ")"
	}
	if m := strings.TrimSpace(t.Message); m != "" {
		text += ": " + lastLine(m)
	}
	return text
}

func lastLine(s string) string { return s[strings.LastIndexByte(s, '\n')+1:] }

// ended lists the containers of a failed pod that exited with an error.
func (f Facts) ended(p *corev1.Pod) []Link {
	var out []Link
	for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if t := s.State.Terminated; t != nil && t.ExitCode != 0 {
			out = append(out, f.startFailed(Link{
				Kind: "container", Name: "container " + s.Name, Text: exitText(t), Since: t.FinishedAt.Time, ended: true, bad: true, final: true,
			}, p, s))
		}
	}
	return out
}

// advice returns the command that shows more about the cause.
func (f Facts) advice(chain []Link) string {
	cause := chain[len(chain)-1]
	pod := ""
	for _, l := range chain {
		if l.Kind == "pod" {
			pod = strings.TrimPrefix(l.Name, "pod ")
		}
	}
	switch {
	case cause.Kind == "build":
		return "lyandev build"
	case pod == "" && cause.Kind == "workload":
		return "lyandev describe " + cause.Name
	case pod == "":
		return ""
	case cause.Kind == "container" && (cause.Answer != "" || strings.Contains(cause.Text, "exited with") || strings.Contains(cause.Text, "killed by") ||
		strings.Contains(cause.Text, "running")):
		return "lyandev logs " + pod
	}
	return "lyandev describe " + pod
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func restarts(n int32) string {
	if n == 1 {
		return "restart"
	}
	return "restarts"
}
