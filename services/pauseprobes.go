package services

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

const (
	// PauseProbesAnnotation of a pod pauses its probes as long as the pod lives; see ProbePauseOf.
	PauseProbesAnnotation = "dev.lyandev/pause-probes"
	// ProbesPaused is the condition of a pod whose probes are paused, with the time and the message of how to resume them. Other
	// pods do not have it.
	ProbesPaused corev1.PodConditionType = "dev.lyandev/probes-paused"
)

// ProbePauseOf reads the value of PauseProbesAnnotation: "true" pauses all probes, "liveness" liveness and startup probes, "false"
// and "" none. Any other value is an error, and none.
func ProbePauseOf(value string) (all, liveness bool, err error) {
	switch value {
	case "true":
		return true, true, nil
	case "liveness":
		return false, true, nil
	case "", "false":
		return false, false, nil
	}
	return false, false, fmt.Errorf("%s must be \"true\", \"liveness\" or \"false\", not %q", PauseProbesAnnotation, value)
}

// PausedProbes is the condition ProbesPaused of a pod, nil if its probes are not paused.
func PausedProbes(p *corev1.Pod) *corev1.PodCondition {
	for i := range p.Status.Conditions {
		if c := &p.Status.Conditions[i]; c.Type == ProbesPaused && c.Status == corev1.ConditionTrue {
			return c
		}
	}
	return nil
}
