package ui

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/state"
)

// PodStatus is the word that kubectl shows in its STATUS column: the phase, or the reason of the container that holds the
// pod up, or what the init containers are at.
func PodStatus(p *corev1.Pod) string {
	status := string(p.Status.Phase)
	if p.Status.Reason != "" {
		status = p.Status.Reason
	}
	if status == "" {
		status = "Pending"
	}
	if init := initStatus(p); init != "" {
		status = init
	} else {
		status = containersStatus(p, status)
	}
	if p.DeletionTimestamp != nil {
		return "Terminating"
	}
	return status
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
		case c.State.Running != nil:
			running = true
		}
	}
	if status == "Completed" && running {
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

// ReadyContainers is "1/2": ready containers of all, sidecars counted.
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

// Restarts is the sum of the containers' restart counts.
func Restarts(p *corev1.Pod) int32 {
	var n int32
	for _, list := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses} {
		for _, c := range list {
			n += c.RestartCount
		}
	}
	return n
}

// Age is a time span as kubectl prints it: the two largest units, at most.
func Age(since, now time.Time) string {
	if since.IsZero() {
		return "-"
	}
	d := now.Sub(since)
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(max(d, 0).Seconds()))
	case d < 10*time.Minute:
		return strings.TrimSuffix(fmt.Sprintf("%dm%ds", int(d.Minutes()), int(d.Seconds())%60), "0s")
	case d < 3*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// Ready says whether the pod is Ready, for people.
func Ready(p *corev1.Pod) string {
	if state.PodReady(p) {
		return "yes"
	}
	return "no"
}
