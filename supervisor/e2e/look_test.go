package e2e_test

import (
	corev1 "k8s.io/api/core/v1"

	known "github.com/lyandev/lyandev/supervisor/state"
)

// state is the snapshot that conditions look at.
type state = known.Snapshot

func podReady(p *corev1.Pod) bool { return known.PodReady(p) }
