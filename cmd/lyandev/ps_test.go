package main

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/state"
)

// TestReadyWithoutSupervisor: nobody probes then, and ps said 0/1 of a pod that serves.
func TestReadyWithoutSupervisor(t *testing.T) {
	p := podWith(corev1.ContainerStatus{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}})
	p.Status.Phase = corev1.PodRunning
	for phase, want := range map[state.Phase]string{state.Ready: "0/1", state.Stopped: "?/1"} {
		if got := readyOf(&state.Status{Phase: phase}, p); got != want {
			t.Errorf("%s: %s, want %s", phase, got, want)
		}
	}
}
