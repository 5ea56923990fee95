// Package view computes what pods and workloads amount to: how many pods are ready, whether a workload is right, why a pod
// is not. Its functions are pure.
package view

import (
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/order"
	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/state"
)

// Counts are the pods of a workload, as its controller counts them.
type Counts struct {
	Want, Have, Ready, Updated int32
	// Done: a Job that has completed, or a bare pod that has succeeded. Failed says why one never will.
	Done   bool
	Failed string
	// Scheduled: a CronJob. It is right whatever its runs do.
	Scheduled bool
}

// Count counts from the status that the controllers wrote and, for a bare pod, from the pod. Pods that are being deleted do
// not count, nor do the ended pods of Jobs and CronJobs, which are kept as history.
func Count(x *services.Workload, pods []*corev1.Pod) Counts {
	c := Counts{Want: x.Replicas()}
	history := x.Kind() == "Job" || x.Kind() == "CronJob"
	for _, p := range pods {
		if p.DeletionTimestamp != nil || history && ended(p) {
			continue
		}
		c.Have++
		if state.PodReady(p) {
			c.Ready++
		}
	}
	switch o := x.Object.(type) {
	case *appsv1.Deployment:
		c.Updated, c.Ready = o.Status.UpdatedReplicas, min(c.Ready, o.Status.AvailableReplicas)
	case *appsv1.StatefulSet:
		c.Updated = o.Status.UpdatedReplicas
	case *appsv1.DaemonSet:
		c.Want, c.Updated = max(o.Status.DesiredNumberScheduled, 1), o.Status.UpdatedNumberScheduled
	case *batchv1.Job:
		c.Updated = c.Have
		c.job(o)
	case *services.ComposeService:
		c.Updated = o.Status.UpdatedReplicas
		c.compose(pods)
	case *batchv1.CronJob:
		c.Want, c.Updated, c.Scheduled = c.Have, c.Have, true
	case *corev1.Pod:
		c.Updated = c.Have
		for _, p := range pods {
			if p.DeletionTimestamp != nil {
				continue // it is being replaced: its end is not that of the wanted one
			}
			c.Done = p.Status.Phase == corev1.PodSucceeded
			if p.Status.Phase == corev1.PodFailed {
				c.Failed = "pod " + p.Name + " failed"
			}
		}
	default:
		c.Updated = c.Have
	}
	return c
}

// compose counts the containers of a plain service that have ended: with success they count as ready.
func (c *Counts) compose(pods []*corev1.Pod) {
	done := int32(0)
	for _, p := range pods {
		switch {
		case p.DeletionTimestamp != nil || p.Status.Reason == services.ReasonStopped:
		case p.Status.Phase == corev1.PodSucceeded:
			done++
		case p.Status.Phase == corev1.PodFailed && len(p.Status.ContainerStatuses) == 1 && p.Status.ContainerStatuses[0].State.Terminated != nil:
			c.Failed = fmt.Sprintf("container %s exited with %d", p.Name, p.Status.ContainerStatuses[0].State.Terminated.ExitCode)
		}
	}
	c.Ready += done
	c.Done = done > 0 && done == c.Want && c.Updated >= c.Want && c.Have == c.Want
}

func (c *Counts) job(o *batchv1.Job) {
	for _, cond := range o.Status.Conditions {
		switch {
		case cond.Status != corev1.ConditionTrue:
		case cond.Type == batchv1.JobComplete:
			c.Done = true
		case cond.Type == batchv1.JobFailed:
			c.Failed = cond.Reason + ": " + cond.Message
		}
	}
}

func ended(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

// Right says that a workload is complete: every wanted pod is there, of the current version, and Ready; and no other is left.
func (c Counts) Right() bool {
	return c.Done || c.Scheduled || (c.Failed == "" && c.Have == c.Want && c.Ready >= c.Want && c.Updated >= c.Want)
}

// Facts are what the start order looks at in a workload that was released to its controller in its present version.
func Facts(released *services.Workload, pods []*corev1.Pod) order.Facts {
	c := Count(released, pods)
	f := order.Facts{Pods: len(pods), Right: c.Right(), Done: c.Done, Failed: c.Failed, Started: c.Have >= c.Want}
	for _, p := range pods {
		f.Started = f.Started && startedOnce(p)
		if f.Waiting == "" {
			f.Waiting = Trouble(p)
		}
		if p.DeletionTimestamp == nil {
			health(&f, p)
		}
	}
	return f
}

// health adds what the engine's health check says about a pod of a plain service.
func health(f *order.Facts, p *corev1.Pod) {
	switch is, text := state.Health(p); is {
	case services.HealthUnhealthy:
		f.Unhealthy = "it is unhealthy" + after(": ", text)
	case services.HealthNone:
		f.NoCheck = "container " + text + " has no healthcheck configured"
	}
}

// after puts a text behind a separator, and leaves both out if there is no text.
func after(separator, text string) string {
	if text == "" {
		return ""
	}
	return separator + text
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

// Trouble says in a few words why a pod is not Ready, "" if it is. It continues a sentence that begins with the workload.
func Trouble(p *corev1.Pod) string {
	if state.PodReady(p) {
		return ""
	}
	text := ""
	EachStatus(p, func(c *corev1.ContainerStatus) {
		if t := containerTrouble(c); t != "" && text == "" {
			text = fmt.Sprintf("has pod %s, whose container %s %s", p.Name, c.Name, t)
		}
	})
	is, output := state.Health(p)
	switch {
	case text != "":
		return text
	case is == services.HealthUnhealthy:
		return fmt.Sprintf("has pod %s, which is unhealthy%s", p.Name, after(": ", output))
	case state.NotRight(p) != "":
		return fmt.Sprintf("has pod %s: %s", p.Name, state.NotRight(p))
	}
	return fmt.Sprintf("has pod %s not ready yet", p.Name)
}

func containerTrouble(c *corev1.ContainerStatus) string {
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

// crashesToGiveUp is how often a container may have crashed before nobody expects it to get ready by itself.
const crashesToGiveUp = 3

// Never says why a pod will not get ready without somebody doing something, "" while it may.
func Never(p *corev1.Pod) string {
	text := ""
	if p.DeletionTimestamp != nil {
		return ""
	}
	EachStatus(p, func(c *corev1.ContainerStatus) {
		if c.State.Waiting == nil || text != "" {
			return
		}
		switch c.State.Waiting.Reason {
		case "CrashLoopBackOff":
			if t := c.LastTerminationState.Terminated; t != nil && c.RestartCount >= crashesToGiveUp-1 {
				text = fmt.Sprintf("container %s of pod %s exits with %d again and again; see `lyandev logs %s`", c.Name, p.Name, t.ExitCode, p.Name)
			}
		case "ErrImageNeverPull", "InvalidImageName", "ImagePullBackOff", services.ReasonInvalid:
			text = fmt.Sprintf("container %s of pod %s: %s: %s", c.Name, p.Name, c.State.Waiting.Reason, c.State.Waiting.Message)
		}
	})
	return text
}

// Youngest is the first pod with a container that started after a time, nil if there is none.
func Youngest(pods []*corev1.Pod, after time.Time) *corev1.Pod {
	for _, p := range pods {
		for _, c := range p.Status.ContainerStatuses {
			if r := c.State.Running; r != nil && r.StartedAt.After(after) {
				return p
			}
		}
	}
	return nil
}

// Runs says that a container of the pod does.
func Runs(p *corev1.Pod) bool {
	any := false
	EachStatus(p, func(s *corev1.ContainerStatus) { any = any || s.State.Running != nil })
	return any
}

// EachStatus visits the statuses of all containers of a pod, init containers first. The pod may be nil.
func EachStatus(p *corev1.Pod, visit func(*corev1.ContainerStatus)) {
	if p == nil {
		return
	}
	for _, list := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses} {
		for i := range list {
			visit(&list[i])
		}
	}
}

// RolloutWarnings are the conditions of a workload that people should know of.
func RolloutWarnings(x *services.Workload) []string {
	d, ok := x.Object.(*appsv1.Deployment)
	if !ok {
		return nil
	}
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentProgressing && c.Status == corev1.ConditionFalse {
			return []string{"rollout of " + x.Name() + " is stuck (" + c.Reason + "): " + c.Message + "; the old pods go on serving"}
		}
	}
	return nil
}
