package main

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/probe"
)

// TestPausedProbesDoNotKill: a process that fails its liveness probe is left alone while the probes are paused, and killed after
// as many failures as ever when they are resumed. A container that is added meanwhile is covered too.
func TestPausedProbesDoNotKill(t *testing.T) {
	on(t, `{"extra": [{"exec": {"alive": ["F"]}}]}`, func(t *testing.T, s *stage) {
		liveness := &corev1.Probe{
			ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"alive"}}}, PeriodSeconds: 1, FailureThreshold: 3,
		}
		since := metav1.NewTime(time.Now())
		s.PauseProbes(pod.Pause{Probes: probe.PauseAll, Since: since, Message: "by somebody"})
		more := s.Pod()
		more.Spec.Containers = append(more.Spec.Containers, corev1.Container{Name: "extra", Image: "img:1", LivenessProbe: liveness})
		s.Update(more)
		s.pass(600)
		if got := s.said("exec", "stop"); got != "" || !strings.Contains(s.said("start"), "extra-0") {
			t.Fatalf("while paused: %s", got)
		}
		c := services.PausedProbes(s.Pod())
		if c == nil || c.Message != "by somebody" || c.Reason != "all" || !c.LastTransitionTime.Equal(&since) || !isReady(s.Pod()) {
			t.Fatalf("the condition is %+v", c)
		}
		s.PauseProbes(pod.Pause{})
		s.pass(5)
		if got := s.said("exec", "stop"); strings.Count(got, "exec extra-0") < 3 || !strings.Contains(got, "stop extra-0") || services.PausedProbes(s.Pod()) != nil {
			t.Fatalf("after the pause: %s, %+v", got, s.Pod().Status.Conditions)
		}
	})
}
