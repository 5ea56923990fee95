package probe

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// spec is a probe's numbers with the defaults filled in (R30).
type spec struct {
	delay, period, timeout time.Duration
	successes, failures    int
}

func specOf(p *corev1.Probe) spec {
	or := func(v, def int32) int32 {
		if v == 0 {
			return def
		}
		return v
	}
	return spec{
		delay:     time.Duration(p.InitialDelaySeconds) * time.Second,
		period:    time.Duration(or(p.PeriodSeconds, 10)) * time.Second,
		timeout:   time.Duration(or(p.TimeoutSeconds, 1)) * time.Second,
		successes: int(or(p.SuccessThreshold, 1)),
		failures:  int(or(p.FailureThreshold, 3)),
	}
}

// IsSidecar says whether an init container is a restartable one (R19).
func IsSidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// RestartsAfter says whether a container is restarted after it ended by itself with the exit code (R70, R78): the
// first matching of its restart rules decides, then its own policy, then the pod's ("" is Always). The action
// RestartAllContainers counts as Restart: the container itself is restarted, the others are not.
func RestartsAfter(c *corev1.Container, policy corev1.RestartPolicy, exitCode int32) bool {
	if c.RestartPolicy != nil {
		for _, r := range c.RestartPolicyRules {
			if r.ExitCodes != nil && matches(r.ExitCodes, exitCode) {
				return true
			}
		}
		policy = corev1.RestartPolicy(*c.RestartPolicy)
	}
	switch policy {
	case corev1.RestartPolicyNever:
		return false
	case corev1.RestartPolicyOnFailure:
		return exitCode != 0
	default:
		return true
	}
}

func matches(r *corev1.ContainerRestartRuleOnExitCodes, exitCode int32) bool {
	in := slices.Contains(r.Values, exitCode)
	return in == (r.Operator == corev1.ContainerRestartRuleOnExitCodesOpIn)
}
