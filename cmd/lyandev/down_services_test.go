package main

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/state"
)

// TestWithGrace: `down -t 1` showed the file's grace period of 10 s.
func TestWithGrace(t *testing.T) {
	p := &corev1.Pod{}
	p.DeletionGracePeriodSeconds = new(int64(10))
	s := &state.Status{Pods: []*corev1.Pod{p, {}}}
	for limit, want := range map[int64]int64{-1: 10, 0: 0, 1: 1, 30: 10} {
		if got := *withGrace(s, limit).Pods[0].DeletionGracePeriodSeconds; got != want {
			t.Errorf("with --timeout %d the grace period is %d s, want %d", limit, got, want)
		}
	}
	if *p.DeletionGracePeriodSeconds != 10 {
		t.Error("the published state was changed")
	}
}
