package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/api"
	"github.com/lyandev/lyandev/supervisor/state"
)

// watchedApply is an arrivalWatch on a store, whose apply takes a while and then gives number 1.
func watchedApply(ctx context.Context, store *state.Store, takes time.Duration) arrivalWatch {
	return arrivalWatch{
		wait: true, limit: 5 * time.Minute, show: func(*state.Status) {}, stays: func(*state.Status) bool { return true },
		apply: func() (uint64, error) { time.Sleep(takes); return 1, nil },
		snapshots: func(f func(*state.Status) bool) error {
			for s := range store.Subscribe(ctx) {
				if !f(s) {
					return nil
				}
			}
			return context.Cause(ctx)
		},
	}
}

// TestReadyBeforeTheAnswer: the one snapshot that says that the stack is ready is published before the apply is answered, as
// on a stack in which nothing changes; the next one comes 30 s later. What was before the apply does not count.
func TestReadyBeforeTheAnswer(t *testing.T) {
	for name, publish := range map[string]time.Duration{"before the answer": time.Second, "after it": 3 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer synctest.Wait()
				defer cancel()
				store := state.NewStore(&state.Status{Phase: state.Ready}) // of the stack before
				time.AfterFunc(publish, func() { store.Publish(&state.Status{Phase: state.Ready, Applied: 1}) })
				time.AfterFunc(30*time.Second, func() { store.Publish(&state.Status{Phase: state.Ready, Applied: 1}) })
				began := time.Now()
				w := watchedApply(ctx, store, 2*time.Second)
				if err := w.run(ctx); err != nil {
					t.Fatal(err)
				}
				if took, want := time.Since(began), max(publish, 2*time.Second); took != want {
					t.Errorf("it took %s, want %s", took, want)
				}
			})
		})
	}
}

func TestHowWaitingEnds(t *testing.T) {
	refusal, cut := errors.New("no such image"), errors.New("it ended")
	for name, c := range map[string]struct {
		change func(w *arrivalWatch)
		last   *state.Status
		want   error
		took   time.Duration
	}{
		"the stack is refused": {
			change: func(w *arrivalWatch) { w.apply = func() (uint64, error) { return 0, refusal } }, want: refusal,
		},
		"the snapshots end, and the apply's answer says why": {
			change: func(w *arrivalWatch) {
				w.apply = func() (uint64, error) { time.Sleep(time.Second); return 0, refusal }
				w.snapshots = func(func(*state.Status) bool) error { return cut }
			}, want: refusal, took: time.Second,
		},
		"the snapshots end after the stack was taken over": {
			change: func(w *arrivalWatch) {
				w.snapshots = func(func(*state.Status) bool) error { time.Sleep(time.Minute); return cut }
			}, want: cut, took: time.Minute,
		},
		"never ready": {last: &state.Status{Phase: state.Starting, Applied: 1}, want: errNotThere, took: 5 * time.Minute},
		"it will never be": {
			last: &state.Status{Phase: state.Starting, Applied: 1, Pods: []*corev1.Pod{crashing("web", "new")}},
			want: errNotThere,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer synctest.Wait()
				defer cancel()
				store := state.NewStore(&state.Status{Phase: state.Starting})
				if c.last != nil {
					store.Publish(c.last)
				}
				w := watchedApply(ctx, store, 0)
				if c.change != nil {
					c.change(&w)
				}
				began := time.Now()
				err := w.run(ctx)
				if !errors.Is(err, c.want) || time.Since(began) != c.took {
					t.Errorf("ended with %v after %s, want %v after %s", err, time.Since(began), c.want, c.took)
				}
			})
		})
	}
}

// crashing is a pod of a workload, with the hash of its template, that has crashed often.
func crashing(workload, hash string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: workload + "-" + hash, Labels: map[string]string{
		services.WorkloadLabel: workload, "pod-template-hash": hash,
	}}}
	p.OwnerReferences = []metav1.OwnerReference{{Kind: "ReplicaSet", Name: workload + "-" + hash}}
	p.Status.Phase = corev1.PodRunning
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: "app", RestartCount: 5,
		State:                corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
		LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 0}},
	}}
	return p
}

// TestOnlyWantedPodsAreJudged: a pod of the revision that is being replaced, or of a workload that leaves, may crash as it
// likes.
func TestOnlyWantedPodsAreJudged(t *testing.T) {
	workloads := []state.Workload{
		{Name: "web", Revision: "new"}, {Name: "former", Leaving: true}, {Name: "plain"},
	}
	ended := crashing("web", "new")
	ended.DeletionTimestamp = new(metav1.Now())
	hook := crashing("web", "new")
	hook.Status = corev1.PodStatus{Phase: corev1.PodRunning, Reason: services.ReasonPostStart, Message: "the hook failed"}
	for _, c := range []struct {
		pod      *corev1.Pod
		hopeless bool
	}{
		{crashing("web", "new"), true},
		{crashing("web", "old"), false},
		{crashing("former", "any"), false},
		{crashing("plain", "any"), true},
		{ended, false},
		{hook, true},
	} {
		why := hopeless(&state.Status{Workloads: workloads, Pods: []*corev1.Pod{c.pod}})
		if (why != "") != c.hopeless {
			t.Errorf("%s: %q", c.pod.Name, why)
		}
	}
}

// TestBlocked: what lets up fail without --wait too, and only that.
func TestBlocked(t *testing.T) {
	invalid := crashing("web", "new")
	invalid.Status.Phase = corev1.PodPending
	invalid.Status.ContainerStatuses[0].State.Waiting.Reason = services.ReasonInvalid
	unhealthy := crashing("web", "new")
	unhealthy.Status.ContainerStatuses = nil
	unhealthy.Status.Conditions = []corev1.PodCondition{{Type: services.HealthCheck, Reason: services.HealthUnhealthy, Message: "refused"}}
	for name, c := range map[string]struct {
		pod               *corev1.Pod
		never             string
		blocked, hopeless string
	}{
		"an invalid container":                        {pod: invalid, blocked: "pod web-new cannot start: ", hopeless: "pod web-new cannot start: "},
		"it crashes, which is its own affair":         {pod: crashing("web", "new"), hopeless: "container app of pod web-new exits with 0 again and again; see `lyandev logs web-new`"},
		"it is unhealthy, and nothing depends on it":  {pod: unhealthy, hopeless: "pod web-new is unhealthy: refused"},
		"what it depends on will not become healthy":  {never: "dependency db failed to start", blocked: "dependency db failed to start"},
		"what it depends on needs only a bit of time": {},
	} {
		s := &state.Status{Workloads: []state.Workload{{Name: "web", Revision: "new", Want: 1, Have: 1, Hold: &state.Hold{Never: c.never}}}}
		if c.pod != nil {
			s.Workloads[0].Hold, s.Pods = nil, []*corev1.Pod{c.pod}
		}
		if got := blocked(s); got != c.blocked {
			t.Errorf("%s: blocked: %q, want %q", name, got, c.blocked)
		}
		if got := hopeless(s); got != c.hopeless {
			t.Errorf("%s: hopeless: %q, want %q", name, got, c.hopeless)
		}
		_, err := (&arrivalWatch{}).judge(s)
		if (err != nil) != (c.blocked != "") {
			t.Errorf("%s: up without --wait ends with %v", name, err)
		}
	}
}

// TestHealthOfPlainServices: ps --format json says what the engine's health check says.
func TestHealthOfPlainServices(t *testing.T) {
	for reason, want := range map[string]string{services.HealthUnhealthy: "unhealthy", services.HealthStarting: "starting", services.HealthNone: ""} {
		p := crashing("web", "new")
		p.Annotations = map[string]string{compose.Annotation: "{}"}
		p.Status.ContainerStatuses[0].State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
		p.Status.Conditions = []corev1.PodCondition{{Type: services.HealthCheck, Reason: reason}}
		if got := healthOf(p, p.Status.ContainerStatuses[0]); got != want {
			t.Errorf("%s: %q", reason, got)
		}
	}
}

var _ api.Backend = backend{}

// TestWaitForOneShots: a changed one-shot that a running service depends on counts as ready while it runs. --wait ended with success
// before it failed.
func TestWaitForOneShots(t *testing.T) {
	stack := &services.Stack{Workloads: []*services.Workload{
		{Object: &services.ComposeService{ObjectMeta: metav1.ObjectMeta{Name: "web"}}, DependsOn: []services.Dependency{{Workload: "migrate", Condition: services.Completed}}},
		{Object: &services.ComposeService{ObjectMeta: metav1.ObjectMeta{Name: "migrate"}}},
		{Object: &services.ComposeService{ObjectMeta: metav1.ObjectMeta{Name: "absent"}}, DependsOn: []services.Dependency{{Workload: "web", Condition: services.Completed}}},
	}}
	at := func(phase state.Phase, of corev1.PodPhase) *state.Status {
		s := &state.Status{Phase: phase, Applied: 1, Workloads: []state.Workload{
			{Name: "web", Kind: "ComposeService", Want: 1, Have: 1, Right: true}, {Name: "migrate", Kind: "ComposeService", Want: 1, Have: 1, Right: phase == state.Ready},
		}}
		for name, phase := range map[string]corev1.PodPhase{"web": corev1.PodRunning, "migrate": of} {
			p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name + "-1", Labels: map[string]string{services.WorkloadLabel: name}}}
			p.Status.Phase = phase
			s.Pods = append(s.Pods, p)
		}
		return s
	}
	for name, c := range map[string]struct {
		end  *state.Status
		want error
	}{
		"it succeeds": {at(state.Ready, corev1.PodSucceeded), nil},
		"it fails":    {at(state.Degraded, corev1.PodFailed), errNotThere},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer synctest.Wait()
				defer cancel()
				store := state.NewStore(at(state.Ready, corev1.PodRunning))
				time.AfterFunc(time.Minute, func() { store.Publish(c.end) })
				began := time.Now()
				w := watchedApply(ctx, store, 0)
				w.unfinished = unfinished(stack)
				if err := w.run(ctx); !errors.Is(err, c.want) || time.Since(began) != time.Minute {
					t.Errorf("ended with %v after %s", err, time.Since(began))
				}
			})
		})
	}
}
