package probe

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// standing is a pod whose process stands while stands is set: every try fails after a second.
func standing(t *testing.T, c corev1.Container, timing Timing, do func(r *rig, stands *atomic.Bool)) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		var stands atomic.Bool
		r := newRig(Config{Pod: podWith(c, corev1.RestartPolicyAlways), Timing: timing}, func(Type, string) Outcome {
			if stands.Load() {
				time.Sleep(time.Second)
				return Outcome{Verdict: Failed, Output: "timeout"}
			}
			return Outcome{Verdict: Passed}
		})
		r.run()
		defer r.close()
		do(r, &stands)
	})
}

func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestPausedProbesAskNothingAndKeepReadiness(t *testing.T) {
	for _, timing := range []Timing{Fast, Strict} {
		standing(t, probed(period(1), period(1), period(1)), timing, func(r *rig, stands *atomic.Bool) {
			r.start("c0")
			wait(5 * time.Second)
			if !r.ready() || !r.started() {
				t.Fatal("not ready at first")
			}
			r.pod.Pause(PauseAll)
			synctest.Wait()
			r.tried()
			r.changes()
			stands.Store(true)
			wait(time.Hour)
			r.sync()
			if got := r.tried() + r.changes(); got != "" || !r.ready() {
				t.Fatalf("%s: while paused: %q, ready %v", timing, got, r.ready())
			}
			stands.Store(false)
			r.pod.Pause(NotPaused)
			wait(5 * time.Second)
			if got := r.tried(); !strings.Contains(got, "l c0") || !strings.Contains(got, "r c0") {
				t.Fatalf("%s: after the pause: %q", timing, got)
			}
			if got := r.changes(); got != "" {
				t.Fatalf("%s: after the pause: %q", timing, got)
			}
		})
	}
}

func TestPausedLivenessLeavesReadinessAlone(t *testing.T) {
	standing(t, probed(period(1), nil, period(1)), Fast, func(r *rig, stands *atomic.Bool) {
		r.start("c0")
		wait(3 * time.Second)
		r.changes()
		r.pod.Pause(PauseLiveness)
		stands.Store(true)
		wait(time.Minute)
		if got := r.changes(); got != "Readiness=Failure" {
			t.Fatalf("the changes are %q", got)
		}
		stands.Store(false)
		wait(3 * time.Second)
		if !r.ready() {
			t.Fatal("not ready again")
		}
	})
}

// Failures are counted anew after the pause, and none of before adds to them.
func TestFailuresAreCountedAnewAfterThePause(t *testing.T) {
	standing(t, probed(nil, nil, period(2)), Strict, func(r *rig, stands *atomic.Bool) {
		r.start("c0")
		wait(3 * time.Second)
		stands.Store(true)
		wait(4500 * time.Millisecond) // two failures of three
		r.pod.Pause(PauseAll)
		wait(time.Minute)
		r.pod.Pause(NotPaused)
		wait(4500 * time.Millisecond)
		if got := r.changes(); strings.Contains(got, "Liveness=Failure") {
			t.Fatalf("the changes are %q", got)
		}
		wait(3 * time.Second)
		if got := r.changes(); !strings.Contains(got, "Liveness=Failure") {
			t.Fatal("three failures after the pause do not count")
		}
	})
}

func TestATryInFlightWhenThePauseBeginsDoesNotCount(t *testing.T) {
	standing(t, probed(nil, nil, &corev1.Probe{PeriodSeconds: 10, TimeoutSeconds: 1, SuccessThreshold: 1, FailureThreshold: 1}), Strict,
		func(r *rig, stands *atomic.Bool) {
			r.start("c0")
			wait(15 * time.Second)
			r.changes()
			stands.Store(true)
			for r.tried(); ; wait(50 * time.Millisecond) {
				if r.tried() != "" {
					break
				}
			}
			r.pod.Pause(PauseAll)
			wait(time.Minute)
			if got := r.changes(); got != "" {
				t.Fatalf("the changes are %q", got)
			}
		})
}

// A container that is not ready is asked until it is, and failures of its startup probe do not kill it.
func TestANewInstanceBecomesReadyDuringThePause(t *testing.T) {
	standing(t, probed(period(1), period(1), period(1)), Fast, func(r *rig, stands *atomic.Bool) {
		r.pod.Pause(PauseAll)
		stands.Store(true)
		r.start("c0")
		wait(time.Minute)
		if got := r.changes(); strings.Contains(got, "Startup=Failure") || r.ready() || r.started() {
			t.Fatalf("the changes are %q", got)
		}
		stands.Store(false)
		wait(5 * time.Second)
		if !r.ready() || !r.started() {
			t.Fatalf("ready %v, started %v", r.ready(), r.started())
		}
		r.tried()
		wait(time.Minute)
		if got := r.tried(); got != "" {
			t.Fatalf("asked after it was ready: %q", got)
		}
		r.pod.Suspend("app")
		r.pod.Resume("app")
		wait(5 * time.Second)
		if !r.ready() || !strings.HasPrefix(r.tried(), "s c0") {
			t.Fatal("a restarted process does not become ready")
		}
	})
}

// A failure that was published just before the pause is taken back as long as nobody has killed the container for it.
func TestAPublishedFailureIsTakenBack(t *testing.T) {
	standing(t, probed(nil, nil, period(1)), Fast, func(r *rig, stands *atomic.Bool) {
		r.start("c0")
		wait(2 * time.Second)
		r.blocked.Store(true)
		stands.Store(true)
		wait(10 * time.Second)
		if result, _ := r.pod.Result(Liveness, "c0"); result != Failure {
			t.Fatalf("liveness is %s", result)
		}
		r.pod.Pause(PauseLiveness)
		synctest.Wait()
		if result, _ := r.pod.Result(Liveness, "c0"); result != Success {
			t.Fatalf("liveness is %s", result)
		}
	})
}
