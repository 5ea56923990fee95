package supervisor

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/order"
	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/state"
)

// counts are the pods of a workload, as its controller counts them.
type counts struct {
	want, have, ready, updated int32
	// done: a Job that has completed, or a bare pod that has succeeded. failed: one that never will.
	done   bool
	failed string
}

// countsOf counts from the status that the controllers wrote and, for a bare pod, from the pod.
func countsOf(x *services.Workload, pods []*corev1.Pod) counts {
	c := counts{want: x.Replicas()}
	for _, p := range pods {
		if p.DeletionTimestamp != nil {
			continue
		}
		c.have++
		if state.PodReady(p) {
			c.ready++
		}
	}
	switch o := x.Object.(type) {
	case *appsv1.Deployment:
		c.updated, c.ready = o.Status.UpdatedReplicas, min(c.ready, o.Status.AvailableReplicas)
	case *appsv1.StatefulSet:
		c.updated = o.Status.UpdatedReplicas
	case *appsv1.DaemonSet:
		c.want, c.updated = max(o.Status.DesiredNumberScheduled, 1), o.Status.UpdatedNumberScheduled
	case *batchv1.Job:
		c.updated = c.have
		for _, cond := range o.Status.Conditions {
			if cond.Status == corev1.ConditionTrue && cond.Type == batchv1.JobComplete {
				c.done = true
			}
			if cond.Status == corev1.ConditionTrue && cond.Type == batchv1.JobFailed {
				c.failed = cond.Reason + ": " + cond.Message
			}
		}
	case *corev1.Pod:
		c.updated = c.have
		for _, p := range pods {
			c.done = p.Status.Phase == corev1.PodSucceeded
			if p.Status.Phase == corev1.PodFailed {
				c.failed = "pod " + p.Name + " failed"
			}
		}
	default:
		c.updated = c.have
	}
	return c
}

// right says that a workload is complete: every wanted pod there, of the current version, and Ready; and no other left.
func (c counts) right() bool {
	return c.done || (c.failed == "" && c.have == c.want && c.ready >= c.want && c.updated >= c.want)
}

// allFacts are the facts of every workload of the wanted stack, for the start order.
func (w *world) allFacts() map[string]order.Facts {
	out := map[string]order.Facts{}
	for _, x := range w.stack.Workloads {
		out[x.Name()] = w.factsOf(x)
	}
	return out
}

func (w *world) factsOf(x *services.Workload) order.Facts {
	pods := w.podsOf(x.Name())
	f := order.Facts{Pods: len(pods)}
	if h, ok := w.holdOf(x.Name()); ok {
		f.Waiting = h.Reason
	}
	released := w.released[x.Name()]
	if released == nil || !sameWorkload(released, x) {
		return f
	}
	c := countsOf(released, pods)
	f.Right, f.Done, f.Failed = c.right(), c.done, c.failed
	f.Started = c.have >= c.want
	if w.comesBack(x.Name()) { // what its pods' statuses say is of before
		f.Right, f.Started = false, false
	}
	for _, p := range pods {
		f.Started = f.Started && startedOnce(p)
		if why := trouble(p); why != "" && f.Waiting == "" {
			f.Waiting = why
		}
	}
	return f
}

// startedOnce says that every container of the pod has started at least once.
func startedOnce(p *corev1.Pod) bool {
	if len(p.Status.ContainerStatuses) < len(p.Spec.Containers) {
		return false
	}
	for _, c := range p.Status.ContainerStatuses {
		if c.State.Running == nil && c.State.Terminated == nil && c.LastTerminationState.Terminated == nil {
			return false
		}
	}
	return true
}

// trouble says in a few words why a pod is not Ready, "" if it is.
func trouble(p *corev1.Pod) string {
	if state.PodReady(p) {
		return ""
	}
	for _, list := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses} {
		for _, c := range list {
			if text := containerTrouble(c); text != "" {
				return fmt.Sprintf("has pod %s, whose container %s %s", p.Name, c.Name, text)
			}
		}
	}
	if text := state.NotRight(p); text != "" {
		return fmt.Sprintf("has pod %s: %s", p.Name, text)
	}
	return fmt.Sprintf("has pod %s not ready yet", p.Name)
}

func containerTrouble(c corev1.ContainerStatus) string {
	if w := c.State.Waiting; w != nil && w.Reason == pod.ReasonHeld {
		return w.Message
	} else if w != nil && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" {
		if t := c.LastTerminationState.Terminated; t != nil {
			return fmt.Sprintf("is in %s (exited with %d, %d restarts)", w.Reason, t.ExitCode, c.RestartCount)
		}
		return fmt.Sprintf("is in %s: %s", w.Reason, w.Message)
	}
	if t := c.State.Terminated; t != nil && t.ExitCode != 0 {
		return fmt.Sprintf("exited with %d (%s)", t.ExitCode, t.Reason)
	}
	return ""
}
