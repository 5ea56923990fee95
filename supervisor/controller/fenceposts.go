package controller

import (
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Fenceposts resolves maxSurge (percent rounds up) and maxUnavailable (percent rounds down) against replicas. If both come
// out as nothing, unavailable is 1, as otherwise nothing could ever move (R181). nil counts as 0; text that is no percentage
// is an error.
func Fenceposts(maxSurge, maxUnavailable *intstr.IntOrString, replicas int32) (surge, unavailable int32, err error) {
	zero := intstr.FromInt32(0)
	s, err := intstr.GetScaledValueFromIntOrPercent(intstr.ValueOrDefault(maxSurge, zero), int(replicas), true)
	if err != nil {
		return 0, 0, err
	}
	u, err := intstr.GetScaledValueFromIntOrPercent(intstr.ValueOrDefault(maxUnavailable, zero), int(replicas), false)
	if err != nil {
		return 0, 0, err
	}
	if s == 0 && u == 0 {
		u = 1
	}
	return int32(s), int32(u), nil
}

// MaxUnavailable is how many of a Deployment's replicas may be unavailable in a rolling update: Fenceposts' number, but never
// more than replicas; 0 for other strategies (R182).
func MaxUnavailable(d *appsv1.Deployment) int32 {
	n := deref(d.Spec.Replicas, 1)
	if r := d.Spec.Strategy.RollingUpdate; rolling(d) && n > 0 {
		_, unavailable, err := Fenceposts(r.MaxSurge, r.MaxUnavailable, n)
		if err != nil {
			return 0
		}
		return min(unavailable, n)
	}
	return 0
}

// MaxSurge is how many pods beyond replicas a rolling update may make; 0 for other strategies.
func MaxSurge(d *appsv1.Deployment) int32 {
	if r := d.Spec.Strategy.RollingUpdate; rolling(d) {
		surge, _, err := Fenceposts(r.MaxSurge, r.MaxUnavailable, deref(d.Spec.Replicas, 1))
		if err != nil {
			return 0
		}
		return surge
	}
	return 0
}

// MinAvailable is how many pods must stay available in a rolling update.
func MinAvailable(d *appsv1.Deployment) int32 {
	if !rolling(d) {
		return 0
	}
	return deref(d.Spec.Replicas, 1) - MaxUnavailable(d)
}

func rolling(d *appsv1.Deployment) bool {
	return d.Spec.Strategy.Type == appsv1.RollingUpdateDeploymentStrategyType && d.Spec.Strategy.RollingUpdate != nil
}
