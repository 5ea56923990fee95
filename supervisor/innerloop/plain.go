package innerloop

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/state"
)

// idPrefix precedes the IDs of containers in the statuses of plain pods, as in Kubernetes.
const idPrefix = "docker://"

// needsShim reports whether a container of the stack mounts the shim's volume.
func needsShim(stack *services.Stack) bool {
	return slices.ContainsFunc(stack.Workloads, func(x *services.Workload) bool {
		return !x.Plain() && len(syncedContainers(x)) > 0
	})
}

// settled reports whether a pod is as it should be: ready, or, of a plain service, ended with success.
func settled(p *corev1.Pod) bool {
	return state.PodReady(p) || services.PlainPod(p) && p.Status.Phase == corev1.PodSucceeded
}

// failedPlain returns why a plain pod does not run, "" if it may: Docker does not start it again, or it crashes.
func failedPlain(p *corev1.Pod) string {
	if !services.PlainPod(p) {
		return ""
	}
	for _, c := range p.Status.ContainerStatuses {
		end := c.State.Terminated
		if c.State.Waiting != nil && c.State.Waiting.Reason == crashLoop {
			end = c.LastTerminationState.Terminated
		}
		if end != nil && (p.Status.Phase == corev1.PodFailed || c.State.Waiting != nil) {
			return fmt.Sprintf("new container of pod %s ended with exit code %d; see `lyandev logs %s`", p.Name, end.ExitCode, p.Name)
		}
	}
	return ""
}
