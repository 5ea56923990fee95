package probe

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
)

func probed(readiness, startup, liveness *corev1.Probe) corev1.Container {
	return corev1.Container{ReadinessProbe: readiness, StartupProbe: startup, LivenessProbe: liveness}
}

func period(s int32) *corev1.Probe {
	return &corev1.Probe{PeriodSeconds: s, TimeoutSeconds: 1, SuccessThreshold: 1, FailureThreshold: 3}
}

func TestARestartedProcessIsProbedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		r := newRig(Config{Pod: podWith(probed(period(10), nil, nil), corev1.RestartPolicyAlways)}, func(Type, string) Outcome {
			if down.Load() {
				return Outcome{Verdict: Failed, Output: "refused"}
			}
			return Outcome{Verdict: Passed}
		})
		r.run()
		defer r.close()
		r.start("c0")
		time.Sleep(time.Second)
		synctest.Wait()
		if !r.ready() {
			t.Fatal("not ready at first")
		}
		r.tried()
		r.pod.Suspend("app")
		synctest.Wait()
		if r.ready() {
			t.Fatal("ready while its process is restarted")
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if got := r.tried(); got != "" || r.ready() {
			t.Fatalf("probed while suspended: %s", got)
		}
		down.Store(true)
		r.pod.Resume("app")
		time.Sleep(100 * time.Millisecond)
		down.Store(false)
		time.Sleep(60 * time.Millisecond)
		synctest.Wait()
		if !r.ready() {
			t.Fatalf("not ready 60 ms after it answers; tried %s", r.tried())
		}
		if n := len(strings.Fields(r.tried())); n < 5 {
			t.Errorf("%d tries", n)
		}
		if len(r.events) > 0 {
			t.Errorf("events of a process that was just restarted: %v", r.events)
		}
		r.tried()
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if got := r.tried(); len(strings.Fields(got)) != 2 { // "r c0@..." of one period
			t.Errorf("after that it goes by its period: %q", got)
		}
	})
}

func TestATryOfTheFormerProcessDecidesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slow atomic.Bool
		r := newRig(Config{Pod: podWith(probed(period(10), nil, nil), corev1.RestartPolicyAlways)}, func(Type, string) Outcome {
			if slow.Load() {
				time.Sleep(500 * time.Millisecond)
				return Outcome{Verdict: Passed} // of the process that is being stopped
			}
			return Outcome{Verdict: Failed}
		})
		r.run()
		defer r.close()
		slow.Store(true)
		r.start("c0")
		time.Sleep(100 * time.Millisecond) // in flight
		r.pod.Suspend("app")
		slow.Store(false)
		time.Sleep(time.Second)
		synctest.Wait()
		if r.ready() {
			t.Fatal("ready by the answer of the former process")
		}
	})
}

func TestStartupIsGatedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failing atomic.Bool
		r := newRig(Config{Pod: podWith(probed(period(10), period(1), period(1)), corev1.RestartPolicyAlways)}, func(Type, string) Outcome {
			if failing.Load() {
				return Outcome{Verdict: Failed}
			}
			return Outcome{Verdict: Passed}
		})
		r.run()
		defer r.close()
		r.start("c0")
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if !r.ready() || !r.started() {
			t.Fatal("not ready at first")
		}
		failing.Store(true)
		r.pod.Suspend("app")
		r.pod.Resume("app")
		r.sync()
		r.tried()
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		got := r.tried()
		if strings.Contains(got, "l ") || r.started() {
			t.Fatalf("liveness goes on before the new process has started: %s", got)
		}
		failing.Store(false)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if !r.ready() || !r.started() {
			t.Fatal("not ready again")
		}
	})
}

func TestWithoutProbesItIsOutOfServiceMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(Config{Pod: podWith(corev1.Container{}, corev1.RestartPolicyAlways)}, always(Outcome{Verdict: Passed}))
		r.run()
		defer r.close()
		r.start("c0")
		r.pod.Suspend("app")
		r.sync()
		if r.ready() {
			t.Fatal("ready while its process is restarted")
		}
		r.pod.Resume("app")
		r.sync()
		if !r.ready() {
			t.Fatal("not ready again")
		}
		if got := r.changes(); got != "Readiness=Failure Readiness=Success" {
			t.Fatal(got)
		}
		r.pod.Suspend("nobody")
		r.pod.Resume("nobody")
	})
}

func TestRenewedGap(t *testing.T) {
	if renewedGap(0, 0) != 10*time.Millisecond || renewedGap(1000, 0) != earlyLast || renewedGap(0, time.Second) != time.Second {
		t.Fatal(renewedGap(0, 0), renewedGap(1000, 0), renewedGap(0, time.Second))
	}
}
