package main

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/state"
)

// TestNewConnectionsGoToPodsThatStay: during a rollout the old pod is still there, and may come first and be ready.
func TestNewConnectionsGoToPodsThatStay(t *testing.T) {
	pod := func(name, ip string, ready, stays bool) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{services.WorkloadLabel: "web"}}}
		p.Status.PodIP, p.Status.Phase = ip, corev1.PodRunning
		if ready {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		}
		if !stays {
			p.DeletionTimestamp = new(metav1.Now())
		}
		return p
	}
	old := pod("web-old", "10.9.0.1", true, false)
	for _, c := range []struct {
		name string
		pods []*corev1.Pod
		want string
	}{
		{"the new one is not ready yet", []*corev1.Pod{old, pod("web-new", "10.9.0.2", false, true)}, "10.9.0.2:5678"},
		{"a ready one is better", []*corev1.Pod{pod("web-a", "10.9.0.2", false, true), pod("web-b", "10.9.0.3", true, true)}, "10.9.0.3:5678"},
		{"only the old one is there", []*corev1.Pod{old}, "10.9.0.1:5678"},
		{"none", nil, ""},
	} {
		if got, err := whereTo(&state.Status{Pods: c.pods}, "web", 5678); got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
}
