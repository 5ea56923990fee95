package pod

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
)

// The reasons of the pod's conditions (R118, R120).
const (
	reasonPodCompleted     = "PodCompleted"
	reasonPodFailed        = "PodFailed"
	reasonNotReady         = "ContainersNotReady"
	reasonNotInitialized   = "ContainersNotInitialized"
	reasonReadinessGates   = "ReadinessGatesNotReady"
	podReadyToStart        = corev1.PodReadyToStartContainers
	messageConditionAbsent = "corresponding condition of pod readiness gate %q does not exist."
	messageConditionFalse  = "the status of pod readiness gate %q is not \"True\", but %v"
)

// Conditions sets the pod's own conditions in a status whose containers' started and ready are filled in (R118, R120).
// Conditions of others (readiness gates) stay. A condition whose truth does not change keeps its transition time. It is
// pure but for now.
func Conditions(pod *corev1.Pod, s *corev1.PodStatus, sandboxReady bool, now metav1.Time) {
	containers := containersReady(pod, s)
	for _, c := range []corev1.PodCondition{
		{Type: podReadyToStart, Status: truth(sandboxReady)},
		initialized(pod, s),
		podReady(pod, s, containers),
		containers,
		{Type: corev1.PodScheduled, Status: corev1.ConditionTrue},
	} {
		SetCondition(s, c, now)
	}
	if c := FindCondition(s, services.Paused); c != nil && c.LastTransitionTime.IsZero() {
		c.LastTransitionTime = now
	}
}

// SetCondition puts one condition into a status; the transition time moves only when its truth changes.
func SetCondition(s *corev1.PodStatus, c corev1.PodCondition, now metav1.Time) {
	c.LastTransitionTime = now
	i := slices.IndexFunc(s.Conditions, func(o corev1.PodCondition) bool { return o.Type == c.Type })
	if i < 0 {
		s.Conditions = append(s.Conditions, c)
		return
	}
	if o := s.Conditions[i]; o.Status == c.Status {
		c.LastTransitionTime = o.LastTransitionTime
	}
	s.Conditions[i] = c
}

// FindCondition finds a condition by type, nil if there is none.
func FindCondition(s *corev1.PodStatus, t corev1.PodConditionType) *corev1.PodCondition {
	for i := range s.Conditions {
		if s.Conditions[i].Type == t {
			return &s.Conditions[i]
		}
	}
	return nil
}

func truth(b bool) corev1.ConditionStatus {
	if b {
		return corev1.ConditionTrue
	}
	return corev1.ConditionFalse
}

// containersReady is R120 without the gates; sidecars count, and come first (R114).
func containersReady(pod *corev1.Pod, s *corev1.PodStatus) corev1.PodCondition {
	c := corev1.PodCondition{Type: corev1.ContainersReady, Status: corev1.ConditionFalse}
	if reason := endReason(pod, s); reason != "" {
		c.Reason = reason
		return c
	}
	var unready []string
	for i := range s.InitContainerStatuses {
		if st := &s.InitContainerStatuses[i]; isSidecarOf(&pod.Spec, st.Name) && !st.Ready {
			unready = append(unready, st.Name)
		}
	}
	for i := range s.ContainerStatuses {
		if st := &s.ContainerStatuses[i]; !st.Ready {
			unready = append(unready, st.Name)
		}
	}
	if len(unready) > 0 {
		c.Reason, c.Message = reasonNotReady, "containers with unready status: "+list(unready)
		return c
	}
	c.Status = corev1.ConditionTrue
	return c
}

// endReason is the reason of the conditions of a pod whose end is certain, "" for any other pod.
func endReason(pod *corev1.Pod, s *corev1.PodStatus) string {
	phase := s.Phase
	if s.Reason == ReasonDeadlineExceeded {
		phase = corev1.PodFailed // the phase itself follows when the containers have been stopped (R105)
	}
	if !Final(phase) && pod.Spec.RestartPolicy != corev1.RestartPolicyAlways {
		phase = Phase(pod, s, true, false)
	}
	switch phase {
	case corev1.PodSucceeded:
		return reasonPodCompleted
	case corev1.PodFailed:
		return reasonPodFailed
	}
	return ""
}

// podReady is ContainersReady and every readiness gate (R120).
func podReady(pod *corev1.Pod, s *corev1.PodStatus, containers corev1.PodCondition) corev1.PodCondition {
	if containers.Status != corev1.ConditionTrue {
		containers.Type = corev1.PodReady
		return containers
	}
	var messages []string
	for _, g := range pod.Spec.ReadinessGates {
		switch c := FindCondition(s, g.ConditionType); {
		case c == nil:
			messages = append(messages, fmt.Sprintf(messageConditionAbsent, string(g.ConditionType)))
		case c.Status != corev1.ConditionTrue:
			messages = append(messages, fmt.Sprintf(messageConditionFalse, string(g.ConditionType), c.Status))
		}
	}
	if len(messages) > 0 {
		return corev1.PodCondition{
			Type: corev1.PodReady, Status: corev1.ConditionFalse, Reason: reasonReadinessGates, Message: strings.Join(messages, ", "),
		}
	}
	return corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionTrue}
}

// initialized is R118.
func initialized(pod *corev1.Pod, s *corev1.PodStatus) corev1.PodCondition {
	c := corev1.PodCondition{Type: corev1.PodInitialized, Status: corev1.ConditionTrue}
	if endReason(pod, s) == reasonPodCompleted {
		c.Reason = reasonPodCompleted
		return c
	}
	var incomplete []string
	for i := range s.InitContainerStatuses {
		st := &s.InitContainerStatuses[i]
		done := st.State.Terminated != nil && st.State.Terminated.ExitCode == 0
		if isSidecarOf(&pod.Spec, st.Name) {
			done = st.Started != nil && *st.Started
		}
		if !done {
			incomplete = append(incomplete, st.Name)
		}
	}
	if len(incomplete) == 0 || anyMainStarted(s) {
		return c
	}
	c.Status, c.Reason = corev1.ConditionFalse, reasonNotInitialized
	c.Message = "containers with incomplete status: " + list(incomplete)
	return c
}

// anyMainStarted reports whether an ordinary container runs or has run. Such a pod was initialized and stays so, also while
// a sidecar restarts or the init containers run again in a new sandbox.
func anyMainStarted(s *corev1.PodStatus) bool {
	return slices.ContainsFunc(s.ContainerStatuses, func(c corev1.ContainerStatus) bool {
		return c.State.Running != nil || endOf(&c) != nil
	})
}

func list(names []string) string { return "[" + strings.Join(names, " ") + "]" }
