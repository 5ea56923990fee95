package ui

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/state"
)

// PodStatus returns kubectl's STATUS column: the phase, or the reason of a container that is not running, or the progress of the
// init containers.
func PodStatus(p *corev1.Pod) string {
	status := string(p.Status.Phase)
	if p.Status.Reason != "" {
		status = p.Status.Reason
	}
	if status == "" {
		status = "Pending"
	}
	if init := initStatus(p); init != "" && !condition(p, corev1.PodInitialized) {
		status = init
	} else {
		status = containersStatus(p, status)
	}
	if p.Status.Reason == services.ReasonStopped {
		status = stoppedWord(p)
	}
	if status == string(corev1.PodRunning) && condition(p, services.Paused) {
		status = "Paused"
	}
	if is, _ := state.Health(p); status == string(corev1.PodRunning) && is == services.HealthUnhealthy {
		status = "Unhealthy"
	}
	if status == string(corev1.PodRunning) && services.PausedProbes(p) != nil {
		status += " (probes paused)"
	}
	if p.DeletionTimestamp != nil && p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed {
		return "Terminating"
	}
	return status
}

// stoppedWord is the status of a pod whose container was stopped: its own end says less than that somebody asked for it.
func stoppedWord(p *corev1.Pod) string {
	for _, c := range p.Status.ContainerStatuses {
		if t := c.State.Terminated; t != nil {
			return fmt.Sprintf("%s (%d)", services.ReasonStopped, t.ExitCode)
		}
	}
	return services.ReasonStopped
}

func condition(p *corev1.Pod, typ corev1.PodConditionType) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == typ && c.Status == corev1.ConditionTrue
	})
}

func initStatus(p *corev1.Pod) string {
	for i, c := range p.Status.InitContainerStatuses {
		sidecar := i < len(p.Spec.InitContainers) && p.Spec.InitContainers[i].RestartPolicy != nil
		switch {
		case c.State.Terminated != nil && c.State.Terminated.ExitCode == 0, sidecar && c.Started != nil && *c.Started:
			continue
		case c.State.Terminated != nil:
			return "Init:" + terminatedWord(c.State.Terminated)
		case c.State.Waiting != nil && c.State.Waiting.Reason != "" && c.State.Waiting.Reason != "PodInitializing":
			return "Init:" + c.State.Waiting.Reason
		}
		return fmt.Sprintf("Init:%d/%d", i, len(p.Spec.InitContainers))
	}
	return ""
}

func containersStatus(p *corev1.Pod, status string) string {
	running := false
	for i := len(p.Status.ContainerStatuses) - 1; i >= 0; i-- {
		c := p.Status.ContainerStatuses[i]
		switch {
		case c.State.Waiting != nil && c.State.Waiting.Reason != "":
			status = c.State.Waiting.Reason
		case c.State.Terminated != nil:
			status = terminatedWord(c.State.Terminated)
		case c.State.Running != nil && c.Ready:
			running = true
		}
	}
	if status == "Completed" && running {
		if !state.PodReady(p) {
			return "NotReady"
		}
		return "Running"
	}
	return status
}

func terminatedWord(t *corev1.ContainerStateTerminated) string {
	switch {
	case t.Reason != "":
		return t.Reason
	case t.Signal != 0:
		return fmt.Sprintf("Signal:%d", t.Signal)
	}
	return fmt.Sprintf("ExitCode:%d", t.ExitCode)
}

// ReadyContainers returns kubectl's READY column, such as "1/2": ready containers of all, including sidecars.
func ReadyContainers(p *corev1.Pod) string {
	all, ready := len(p.Spec.Containers), 0
	for i, c := range p.Spec.InitContainers {
		if c.RestartPolicy != nil {
			all++
			if i < len(p.Status.InitContainerStatuses) && p.Status.InitContainerStatuses[i].Ready {
				ready++
			}
		}
	}
	for _, c := range p.Status.ContainerStatuses {
		if c.Ready {
			ready++
		}
	}
	return fmt.Sprintf("%d/%d", ready, all)
}

// Restarts returns the sum of the containers' restart counts.
func Restarts(p *corev1.Pod) int32 {
	var n int32
	for _, list := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses} {
		for _, c := range list {
			n += c.RestartCount
		}
	}
	return n
}

// Age formats the time from since to now as kubectl does, "-" if since is zero.
func Age(since, now time.Time) string {
	if since.IsZero() {
		return "-"
	}
	return duration.HumanDuration(max(now.Sub(since), 0))
}

// Ready returns the pod's Ready condition as text.
func Ready(p *corev1.Pod) string {
	if state.PodReady(p) {
		return "yes"
	}
	return "no"
}
