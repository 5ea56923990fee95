package kube

import (
	corev1 "k8s.io/api/core/v1"
)

// CPUPeriod is the period of a CPU quota in microseconds (R151).
const CPUPeriod = 100_000

// Bounds of CPU shares (R150) and of a quota (R151).
const (
	minShares = 2
	maxShares = 262_144
	minQuota  = 1_000
)

// CPUShares returns the CPU shares of a container (R150): from its cpu request, or from its limit if it has no request.
func CPUShares(r corev1.ResourceRequirements) int64 {
	q, ok := r.Requests[corev1.ResourceCPU]
	if !ok {
		q, ok = r.Limits[corev1.ResourceCPU]
	}
	if !ok {
		return minShares
	}
	return min(max(q.MilliValue()*1024/1000, minShares), maxShares)
}

// CPUQuota returns the CPU time in microseconds that a container may use per CPUPeriod (R151); 0 without a limit.
func CPUQuota(r corev1.ResourceRequirements) int64 {
	q, ok := r.Limits[corev1.ResourceCPU]
	if !ok || q.IsZero() {
		return 0
	}
	return max(q.MilliValue()*CPUPeriod/1000, minQuota)
}

// MemoryLimit returns the memory limit of a container in bytes, rounded up (R152); 0 without a limit. Requests are not used.
func MemoryLimit(r corev1.ResourceRequirements) int64 {
	q := r.Limits[corev1.ResourceMemory]
	return q.Value()
}
