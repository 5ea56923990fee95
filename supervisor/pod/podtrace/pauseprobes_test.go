package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/probe"
)

// TestAPauseBeforeTheFirstSyncDoesNotMakeAPodReady: a pod without containers has none that is not ready.
func TestAPauseBeforeTheFirstSyncDoesNotMakeAPodReady(t *testing.T) {
	sc, err := parse(fmt.Appendf(nil, onePod, `{}`))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		log := newRecorder()
		e := newEngine(sc, log, false)
		ready := &readySink{recorder: log}
		w := pod.New(&sc.Pod, pod.Deps{Runtime: slowLook{e}, Objects: &objects{}, Sink: ready, Probes: probe.Deps{Exec: e}, Timing: probe.Strict})
		e.notify = w.Notify
		w.PauseProbes(pod.Pause{Probes: probe.PauseAll})
		ctx, cancel := context.WithCancel(t.Context())
		var done sync.WaitGroup
		done.Go(func() { _ = w.Run(ctx) })
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if services.PausedProbes(w.Pod()) == nil || !isReady(w.Pod()) || ready.early {
			t.Errorf("ready before it runs: %v; the conditions are %+v", ready.early, w.Pod().Status.Conditions)
		}
		cancel()
		done.Wait()
	})
}

// slowLook is an engine that takes a while to list the pod's containers.
type slowLook struct{ *engine }

func (s slowLook) Status(ctx context.Context, p *corev1.Pod) (pod.Observed, error) {
	time.Sleep(10 * time.Millisecond)
	return s.engine.Status(ctx, p)
}

// readySink notes whether a pod is ready of which no container runs.
type readySink struct {
	*recorder
	early bool
}

func (s *readySink) StatusChanged(p *corev1.Pod) {
	runs := slices.ContainsFunc(p.Status.ContainerStatuses, func(c corev1.ContainerStatus) bool { return c.State.Running != nil })
	s.early = s.early || isReady(p) && !runs
	s.recorder.StatusChanged(p)
}

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
