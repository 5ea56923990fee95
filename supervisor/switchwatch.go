package supervisor

import (
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/podchange"
	"github.com/lyandev/lyandev/supervisor/switcher"
)

// crashesToGiveUp is how often a container may have crashed before a switch gives up on it.
const crashesToGiveUp = 3

// progress is how far the stack of a profile has come. Called by the loop.
func (s *Supervisor) progress(profile string) switcher.Progress {
	w := s.world
	if s.stop != nil {
		return switcher.Progress{Stopping: true}
	}
	if w.stack == nil || w.stack.Profile != profile {
		return switcher.Progress{Waiting: "it is not the wanted one yet"}
	}
	facts := w.allFacts()
	for _, x := range w.stack.Workloads {
		f := facts[x.Name()]
		if f.Right || f.Done {
			continue
		}
		a := switcher.Progress{Waiting: x.Name() + " is not ready yet"}
		if f.Waiting != "" {
			a.Waiting = x.Name() + " " + f.Waiting
		}
		a.Never = f.Failed
		for _, p := range w.podsOf(x.Name()) {
			if why := never(p); why != "" && a.Never == "" && !w.outdated(p) {
				a.Never = why
			}
		}
		return a
	}
	for _, name := range slices.Sorted(maps.Keys(w.verdicts)) {
		if v := w.verdicts[name]; !v.Right && w.hasOperator(name) {
			return switcher.Progress{Waiting: name + ": " + v.Message}
		}
	}
	for _, p := range sorted(w.pods) {
		if name := p.Labels[services.WorkloadLabel]; w.stack.Workload(name) == nil {
			if w.handover.refusal != "" {
				return switcher.Progress{Waiting: "before " + name + " leaves: " + w.handover.refusal}
			}
			return switcher.Progress{Waiting: fmt.Sprintf("pod %s of %s, which leaves, has not ended", p.Name, name)}
		}
	}
	if p := w.youngest(time.Now().Add(-steadyFor)); p != "" {
		return switcher.Progress{Waiting: "pod " + p + " has only just started"}
	}
	return switcher.Progress{Done: true}
}

// steadyFor is how long containers must have been running: one without a readiness probe counts as ready until it crashes.
const steadyFor = 1500 * time.Millisecond

// youngest is a pod with a container that started after a time, "" if there is none.
func (w *world) youngest(after time.Time) string {
	for _, p := range sorted(w.pods) {
		for _, c := range p.Status.ContainerStatuses {
			if r := c.State.Running; r != nil && r.StartedAt.After(after) {
				return p.Name
			}
		}
	}
	return ""
}

// hasOperator says that a workload of the stack names the operator.
func (w *world) hasOperator(name string) bool {
	return slices.ContainsFunc(w.stack.Workloads, func(x *services.Workload) bool { return x.Operator == name })
}

// never says why a pod will not get ready without somebody doing something, "" while it may.
func never(p *corev1.Pod) string {
	if p.DeletionTimestamp != nil {
		return ""
	}
	for _, list := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses} {
		for _, c := range list {
			if c.State.Waiting == nil {
				continue
			}
			switch c.State.Waiting.Reason {
			case "CrashLoopBackOff":
				if t := c.LastTerminationState.Terminated; t != nil && c.RestartCount >= crashesToGiveUp-1 {
					return fmt.Sprintf("container %s of pod %s exits with %d again and again; see `lyandev logs %s`", c.Name, p.Name, t.ExitCode, p.Name)
				}
			case "ErrImageNeverPull", "InvalidImageName", "ImagePullBackOff":
				return fmt.Sprintf("container %s of pod %s: %s: %s", c.Name, p.Name, c.State.Waiting.Reason, c.State.Waiting.Message)
			}
		}
	}
	return ""
}

// withoutRestarts is a copy of the wanted stack as it was applied, before restarts by hand; nil if there is none.
func (w *world) withoutRestarts() *services.Stack {
	if w.stack == nil {
		return nil
	}
	stack := w.stack.DeepCopy()
	for _, x := range stack.Workloads {
		delete(x.PodMeta().Annotations, podchange.RestartedAt)
	}
	return stack
}

// services are those of the wanted stack and, until all that left it has gone, those that only the former one has: pods of
// before still use them.
func (w *world) services() []*corev1.Service {
	if w.former == nil {
		return w.stack.Services
	}
	out := slices.Clone(w.stack.Services)
	for _, v := range w.former.Services {
		if w.stack.Service(v.Name) == nil {
			out = append(out, v)
		}
	}
	return out
}

// adoptLeaving makes the workloads that a switch was leaving known again: their pods go on until what stays is right.
func (w *world) adoptLeaving(other *services.Stack) {
	if w.stack == nil {
		return
	}
	w.former = other
	for _, x := range other.Workloads {
		if w.stack.Workload(x.Name()) == nil && len(w.podsOf(x.Name())) > 0 {
			w.released[x.Name()] = carryStatus(nil, x)
			w.adoptTemplate(x)
		}
	}
}
