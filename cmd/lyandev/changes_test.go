package main

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/state"
)

// TestChanges: a foreground up printed nothing of what happened after its start.
func TestChanges(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	pod := func(restarts int32) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web-0", UID: "u", Labels: map[string]string{services.WorkloadLabel: "web"}}}
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "web", RestartCount: restarts, LastTerminationState: corev1.ContainerState{
			Terminated: &corev1.ContainerStateTerminated{ExitCode: 3},
		}}}
		return p
	}
	c := changes{lastLines: func(pod, container string) []string { return []string{"DB_PASSWORD=hunter22"} }}
	for n, step := range []struct {
		workload state.Workload
		restarts int32
		want     string
	}{
		{state.Workload{Right: true, Revision: "a", Ready: 1, Want: 1}, 0, ""},
		{state.Workload{Right: true, Revision: "a", Ready: 1, Want: 1}, 0, ""},
		{state.Workload{Revision: "a", Want: 1}, 1, "web: container web of pod web-0 was restarted (1 so far); it exited with code 3|    DB_PASSWORD=***|web: not ready (0/1); `lyandev why web` says why"},
		{state.Workload{Right: true, Revision: "a", Ready: 1, Want: 1}, 1, "web: ready again (1/1)"},
		{state.Workload{Revision: "b", Ready: 1, Want: 1}, 1, "web: rollout of a changed version begins"},
		{state.Workload{Revision: "b", Ready: 0, Want: 1}, 1, ""},
		{state.Workload{Right: true, Revision: "b", Ready: 1, Want: 1}, 1, "web: rolled out, 1 of 1 pods ready after 2s"},
	} {
		step.workload.Name = "web"
		s := &state.Status{Phase: state.Ready, Time: at.Add(time.Duration(n) * time.Second), Workloads: []state.Workload{step.workload}, Pods: []*corev1.Pod{pod(step.restarts)}}
		if got := strings.Join(c.show(s), "|"); got != step.want {
			t.Errorf("step %d: %q, want %q", n, got, step.want)
		}
	}
	if got := c.show(&state.Status{Phase: state.Stopping}); got != nil {
		t.Errorf("while stopping: %q", got)
	}
}

// TestRestartThatWasAskedFor: it is not told as a crash.
func TestRestartThatWasAskedFor(t *testing.T) {
	pod := func(restarts int32) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web-1", UID: "u", Labels: map[string]string{services.WorkloadLabel: "web"}}}
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "web", RestartCount: restarts, LastTerminationState: corev1.ContainerState{
			Terminated: &corev1.ContainerStateTerminated{ExitCode: 137, Reason: services.ReasonRestarted, Message: "it has changed files"},
		}}}
		return p
	}
	c := changes{lastLines: func(string, string) []string { return nil }}
	got := strings.Join(c.restarts(pod(0), pod(1)), "|")
	if want := "web: container web of pod web-1 was restarted (1 so far); it has changed files, and it exited with code 137"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEditLine(t *testing.T) {
	for want, e := range map[string]state.Event{
		"api: edit is live: src/app.py: sync, 1 pod in 210 ms":          {Kind: "Workload", Name: "api", Reason: "Synced", Message: "src/app.py: sync, 1 pod in 210 ms (batched 100, sent 50)"},
		"api: edit failed: x.py: sync in 3 ms (batched 1): cannot copy": {Kind: "Workload", Name: "api", Reason: "FailedSynced", Message: "x.py: sync in 3 ms (batched 1): cannot copy"},
		"": {Kind: "Pod", Name: "api-0", Reason: "Started"},
	} {
		if got := strings.Join(editLine(e), "|"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
