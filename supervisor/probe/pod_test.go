package probe

import (
	"context"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func sleep(s float64) {
	time.Sleep(time.Duration(s * float64(time.Second)))
	synctest.Wait()
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got  %s\n want %s", what, got, want)
	}
}

// inBubble runs a rig on a container until f returns.
func inBubble(t *testing.T, cfg Config, try func(Type, string) Outcome, f func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(cfg, try)
		r.run()
		synctest.Wait()
		f(r)
		r.close()
	})
}

func every(seconds int32) *corev1.Probe { return &corev1.Probe{PeriodSeconds: seconds} }

func strict(c corev1.Container) Config { return Config{Pod: podWith(c, ""), Timing: Strict} }

func TestR2TicksKeepTheirPhaseOverRestarts(t *testing.T) {
	inBubble(t, strict(corev1.Container{LivenessProbe: every(2)}), always(passed("")), func(r *rig) {
		sleep(0.3)
		r.start("c0")
		sleep(4)
		r.exit(1)
		sleep(0.4)
		r.start("c1")
		sleep(4)
		expect(t, "tries", r.tried(), "l c0@2.00 l c0@4.00 l c1@6.00 l c1@8.00")
	})
}

func TestR1OneTickIsRemembered(t *testing.T) {
	slow := func(Type, string) Outcome {
		time.Sleep(3500 * time.Millisecond)
		return passed("")
	}
	inBubble(t, strict(corev1.Container{LivenessProbe: every(1)}), slow, func(r *rig) {
		r.start("c0")
		sleep(12)
		expect(t, "tries", r.tried(), "l c0@1.00 l c0@4.50 l c0@8.00 l c0@11.50")
	})
}

func TestR9NoProbes(t *testing.T) {
	inBubble(t, strict(corev1.Container{}), always(passed("")), func(r *rig) {
		r.start("c0")
		if !r.ready() || !r.started() {
			t.Error("a container without probes is ready as soon as it runs")
		}
		r.exit(0)
		if r.ready() || r.started() {
			t.Error("a container that does not run is neither started nor ready")
		}
	})
}

func TestR15TriggerProbesAtOnceAndMovesTheTicks(t *testing.T) {
	inBubble(t, strict(corev1.Container{ReadinessProbe: every(5)}), always(failed("")), func(r *rig) {
		sleep(0.3)
		r.start("c0")
		sleep(3)
		expect(t, "at the start, and after the initial result", r.tried(), "r c0@0.30 r c0@0.30")
		r.sync()
		sleep(6)
		expect(t, "at the sync, and a period later", r.tried(), "r c0@3.30 r c0@8.30")
	})
}

func TestR15AReadyContainerIsNotTriggered(t *testing.T) {
	inBubble(t, strict(corev1.Container{ReadinessProbe: every(5)}), always(passed("")), func(r *rig) {
		r.start("c0")
		sleep(1)
		r.tried()
		r.sync()
		sleep(1)
		expect(t, "tries", r.tried(), "")
	})
}

// TestProbeReadiness: a trigger from outside probes a ready container too; its failures count as any others.
func TestProbeReadiness(t *testing.T) {
	probe := every(10)
	probe.FailureThreshold = 3
	var bad atomic.Bool
	answer := func(Type, string) Outcome {
		if bad.Load() {
			return failed("")
		}
		return passed("")
	}
	inBubble(t, strict(corev1.Container{ReadinessProbe: probe, LivenessProbe: every(10)}), answer, func(r *rig) {
		r.start("c0")
		sleep(1)
		r.tried()
		bad.Store(true)
		for n := range 3 {
			if !r.ready() {
				t.Errorf("not ready after %d failures", n)
			}
			r.pod.ProbeReadiness()
			sleep(1)
		}
		if r.ready() {
			t.Error("still ready after three failures")
		}
	})
}

func TestR15TriggerOnStartupSuccess(t *testing.T) {
	c := corev1.Container{StartupProbe: every(1), ReadinessProbe: every(10)}
	inBubble(t, strict(c), always(passed("")), func(r *rig) {
		sleep(0.3)
		r.start("c0")
		sleep(1)
		expect(t, "tries", r.tried(), "s c0@1.00 r c0@1.00 r c0@1.00")
		if !r.ready() {
			t.Error("it must be ready")
		}
	})
}

func TestR17DeletionStopsLivenessOnly(t *testing.T) {
	c := corev1.Container{LivenessProbe: every(1), ReadinessProbe: every(1)}
	var bad atomic.Bool
	try := func(Type, string) Outcome {
		if bad.Load() {
			return failed("")
		}
		return passed("")
	}
	inBubble(t, strict(c), try, func(r *rig) {
		r.start("c0")
		sleep(2.5)
		r.pod.StopLivenessAndStartup()
		r.blocked.Store(true)
		r.tried()
		r.changes()
		bad.Store(true)
		sleep(3)
		expect(t, "tries", r.tried(), "r c0@3.00 r c0@4.00 r c0@5.00")
		expect(t, "changes", r.changes(), "Readiness=Failure")
		if r.ready() {
			t.Error("readiness can turn false during termination")
		}
		r.pod.Stop()
		<-r.done
	})
}

func TestR17ATryInFlightIsFinished(t *testing.T) {
	slow := func(Type, string) Outcome {
		time.Sleep(800 * time.Millisecond)
		return failed("late")
	}
	c := corev1.Container{LivenessProbe: &corev1.Probe{PeriodSeconds: 2, FailureThreshold: 1}}
	inBubble(t, strict(c), slow, func(r *rig) {
		r.start("c0")
		sleep(2.3)
		r.changes()
		r.pod.StopLivenessAndStartup()
		sleep(5)
		expect(t, "tries", r.tried(), "l c0@2.00")
		expect(t, "changes", r.changes(), "Liveness=Failure")
	})
}

func TestTheEndOfTheSupervisorMakesNothingReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(strict(corev1.Container{ReadinessProbe: every(1)}), always(failed("")))
		r.run()
		r.start("c0")
		sleep(2)
		r.close()
		r.sync()
		if r.ready() {
			t.Error("ready because its worker has ended with the supervisor")
		}
	})
}

func TestR17RetiredBeforeRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(strict(corev1.Container{LivenessProbe: every(1)}), always(passed("")))
		r.pod.StopLivenessAndStartup()
		if err := r.pod.Run(t.Context()); err != nil {
			t.Error(err)
		}
		expect(t, "tries", r.tried(), "")
	})
}

func TestR17StoppedBeforeRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(strict(corev1.Container{LivenessProbe: every(1)}), always(passed("")))
		r.pod.Stop()
		if err := r.pod.Run(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestR17AStartedContainerStaysStartedDuringTermination(t *testing.T) {
	c := corev1.Container{StartupProbe: every(1)}
	for _, outcome := range []Outcome{passed(""), failed("")} {
		inBubble(t, strict(c), always(outcome), func(r *rig) {
			r.start("c0")
			sleep(1.5)
			before := r.started()
			r.pod.StopLivenessAndStartup()
			sleep(0.1)
			r.sync()
			if r.started() != before || before != (outcome.Verdict == Passed) {
				t.Errorf("%s: started %v, then %v", outcome.Verdict, before, r.started())
			}
		})
	}
}

func TestR16WorkersEndWithTheirPod(t *testing.T) {
	cfg := strict(corev1.Container{LivenessProbe: every(1), ReadinessProbe: every(1)})
	cfg.Pod.Spec.RestartPolicy = corev1.RestartPolicyNever
	inBubble(t, cfg, always(passed("")), func(r *rig) {
		r.start("c0")
		sleep(1.5)
		r.exit(1)
		<-r.done
		if at := r.now(); at != 2 {
			t.Errorf("the last worker ended at %v", at)
		}
	})
}

func TestR19SidecarsHaveProbesPlainInitContainersDoNot(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	pod := &corev1.Pod{Spec: corev1.PodSpec{
		Containers: []corev1.Container{{Name: "app", LivenessProbe: every(1), StartupProbe: every(1), ReadinessProbe: every(1)}},
		InitContainers: []corev1.Container{
			{Name: "init", LivenessProbe: every(1)}, {Name: "side", RestartPolicy: &always, LivenessProbe: every(1)},
		},
	}}
	p := New(Config{Pod: pod, Handlers: Deps{}.Handlers(), Sink: &rig{}})
	var got []Type
	for _, w := range p.workers {
		got = append(got, w.machine.typ)
	}
	if len(got) != 4 || got[0] != Startup || got[1] != Readiness || got[2] != Liveness || !p.workers[3].machine.sidecar {
		t.Fatalf("workers %v", got)
	}
	status := &corev1.PodStatus{InitContainerStatuses: []corev1.ContainerStatus{{Name: "init"}, {Name: "side"}}}
	status.InitContainerStatuses[0].State.Terminated = &corev1.ContainerStateTerminated{}
	status.InitContainerStatuses[1].State.Running = &corev1.ContainerStateRunning{}
	p.UpdatePodStatus(status)
	for _, s := range status.InitContainerStatuses {
		if !s.Ready {
			t.Errorf("%s is not ready", s.Name)
		}
	}
}

func TestR21AdoptedContainersKeepTheirReadiness(t *testing.T) {
	for _, wasReady := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			cfg := strict(corev1.Container{ReadinessProbe: every(10), StartupProbe: every(10)})
			if wasReady {
				cfg.Pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
			}
			cfg.Began = time.Now()
			cfg.Jitter = func() float64 { return 0.5 }
			r := newRig(cfg, always(passed("")))
			yes := true
			r.status = corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{{
				Name: "app", ContainerID: "c0", Started: &yes,
				State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(time.Now().Add(-time.Minute))}},
			}}}
			r.pod.Observe(&r.status)
			if !r.started() || r.ready() != wasReady {
				t.Errorf("started %v, ready %v after a pod that was ready %v", r.started(), r.ready(), wasReady)
			}
			r.run()
			sleep(4.9)
			expect(t, "within the jitter", r.tried(), "")
			sleep(10)
			expect(t, "after it", r.tried(), "r c0@5.00")
			expect(t, "changes", r.changes(), "Readiness=Success")
			r.close()
		})
	}
}

func TestR23OnlyChangesArePublished(t *testing.T) {
	inBubble(t, strict(corev1.Container{LivenessProbe: every(1), ReadinessProbe: every(1)}), always(passed("")), func(r *rig) {
		r.start("c0")
		sleep(20)
		expect(t, "changes", r.changes(), "Readiness=Failure Readiness=Success Liveness=Success")
		if r, ok := r.pod.Result(Liveness, "c0"); !ok || r != Success {
			t.Errorf("cached %v %v", r, ok)
		}
	})
	if (Change{Type: Liveness, Result: Success}).Syncs() || !(Change{Type: Liveness, Result: Failure}).Syncs() {
		t.Error("a liveness change to Success causes no sync, any other does")
	}
}

func TestR13R24EventsOfTheRunner(t *testing.T) {
	inBubble(t, strict(corev1.Container{LivenessProbe: every(1)}), always(Outcome{Verdict: Undecided, Err: context.Canceled}), func(r *rig) {
		r.start("c0")
		sleep(2.5)
		expect(t, "three tries an iteration", r.tried(), "l c0@1.00 l c0@1.00 l c0@1.00 l c0@2.00 l c0@2.00 l c0@2.00")
		if len(r.events) != 2 || r.events[0].Message != "Liveness probe errored and resulted in unknown state: context canceled" {
			t.Errorf("events %+v", r.events)
		}
	})
}

func TestFastIsReadyWithoutWaitingForDelayOrPeriod(t *testing.T) {
	c := corev1.Container{
		StartupProbe:   &corev1.Probe{PeriodSeconds: 10, InitialDelaySeconds: 30},
		ReadinessProbe: &corev1.Probe{PeriodSeconds: 10, InitialDelaySeconds: 20},
		LivenessProbe:  &corev1.Probe{PeriodSeconds: 10, InitialDelaySeconds: 15},
	}
	up := time.Now()
	try := func(Type, string) Outcome {
		if time.Now().Before(up) {
			return failed("not yet")
		}
		return passed("")
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(Config{Pod: podWith(c, "")}, try)
		r.run()
		sleep(0.3)
		up = time.Now().Add(1550 * time.Millisecond)
		r.start("c0")
		sleep(1.54)
		if r.started() {
			t.Error("it cannot be started yet")
		}
		sleep(0.11)
		if !r.started() || !r.ready() {
			t.Error("it must be ready at most 100 ms after it is up")
		}
		if len(r.events) != 0 {
			t.Errorf("early failures gave events: %+v", r.events)
		}
		r.tried()
		sleep(29)
		// The first success of startup triggers readiness (R15), which restarts its ticks, unless readiness succeeds in the same
		// instant: then they stay as they were.
		got := r.tried()
		restarted := regexp.MustCompile(`^l c0@20.00 r c0@21\.(8[5-9]|9[0-5]) l c0@30.00$`).MatchString(got)
		if !restarted && got != "l c0@20.00 r c0@20.00 l c0@30.00 r c0@30.00" {
			t.Errorf("then the declared periods, and liveness as declared: %v", got)
		}
		r.close()
	})
}

func TestFastKeepsTheDeclaredEvents(t *testing.T) {
	c := corev1.Container{ReadinessProbe: &corev1.Probe{PeriodSeconds: 2, InitialDelaySeconds: 5}}
	inBubble(t, Config{Pod: podWith(c, "")}, always(failed("bad")), func(r *rig) {
		sleep(0.3)
		r.start("c0")
		sleep(20)
		if n := len(r.events); n < 6 || n > 9 {
			t.Errorf("%d events in 15 s of declared probing every 2 s", n)
		}
	})
}

func TestFastTriesAgainAfterARestart(t *testing.T) {
	c := corev1.Container{ReadinessProbe: every(30)}
	inBubble(t, Config{Pod: podWith(c, "")}, always(passed("")), func(r *rig) {
		r.start("c0")
		sleep(3)
		r.exit(1)
		sleep(1)
		r.start("c1")
		sleep(0.3)
		if !r.ready() {
			t.Error("the next instance must be ready at once")
		}
	})
}

func TestStopAbandonsATryInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(strict(corev1.Container{LivenessProbe: every(1)}), nil)
		r.pod.workers[0].handler = HandlerFunc(func(ctx context.Context, _ Target) Outcome {
			<-ctx.Done()
			return failed("cut off")
		})
		r.run()
		r.start("c0")
		sleep(1.5)
		r.pod.Stop()
		<-r.done
		expect(t, "changes", r.changes(), "Liveness=Success")
		if len(r.events) != 0 {
			t.Errorf("events %+v", r.events)
		}
		r.cancel()
	})
}

// TestEarlyTriesOfCommandsWaitForThePort: no command runs while the container is known not to listen, but for one a second; the first
// one after that runs within 40 ms.
func TestEarlyTriesOfCommandsWaitForThePort(t *testing.T) {
	c := corev1.Container{ReadinessProbe: &corev1.Probe{PeriodSeconds: 60, InitialDelaySeconds: 20}}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(Config{Pod: podWith(c, "")}, nil)
		h := &commandHandler{began: time.Now()}
		r.pod.workers[0].handler = h
		r.run()
		r.start("c0")
		sleep(2.505)
		h.listens.Store(true)
		sleep(0.04)
		if !r.ready() {
			t.Error("it must be ready when it listens")
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if n := len(h.tried); n != 3 || h.tried[0] < time.Second || h.tried[1] < 2*time.Second {
			t.Errorf("commands ran after %v", h.tried)
		}
		r.close()
	})
}

// commandHandler succeeds once the container listens.
type commandHandler struct {
	began   time.Time
	listens atomic.Bool

	mu    sync.Mutex
	tried []time.Duration
}

func (h *commandHandler) Premature(context.Context, Target) bool { return !h.listens.Load() }

func (h *commandHandler) Try(context.Context, Target) Outcome {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tried = append(h.tried, time.Since(h.began))
	if h.listens.Load() {
		return passed("")
	}
	return failed("connection refused")
}
