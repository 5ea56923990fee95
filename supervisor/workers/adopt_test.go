package workers

import (
	"context"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
)

// restart ends the Workers, and opens new ones a minute later. It returns the pods that they found, by name.
func (r *rig) restart() map[string]*corev1.Pod {
	r.end()
	r.pass(time.Minute)
	found := map[string]*corev1.Pod{}
	for _, p := range r.begin() {
		found[p.Name] = p
	}
	return found
}

// TestAdoption: a pod that runs goes on with its container, restart count and back-off, and still follows what happens.
func TestAdoption(t *testing.T) {
	onRig(t, func(r *rig) {
		r.start(newPod("a", "a-1"))
		r.Exit(r.container("a").ID, 1)
		r.pass(time.Minute)
		before := len(r.Calls(changing...))
		found := r.restart()
		p := found["a"]
		if p == nil || p.UID != "a-1" || p.Status.ContainerStatuses[0].RestartCount != 1 {
			t.Fatalf("found %+v", p)
		}
		r.start(p)
		r.ready("a-1", true)
		wantCalls(t, r.done(before, changing...))
		r.Exit(r.container("a").ID, 1)
		r.pass(5 * time.Second)
		if r.waits("a") == "" {
			t.Error("the back-off is forgotten: the second end in a row is restarted at once")
		}
		r.pass(time.Minute)
		if n := r.ready("a-1", true).Status.ContainerStatuses[0].RestartCount; n != 2 {
			t.Errorf("%d restarts", n)
		}
	})
}

// TestReadinessAtAdoption: a pod that the former supervisor had found ready is ready from its first status on, without a gap in
// which its Services would lose it, until its probes say otherwise. Without that word it has to prove itself anew.
func TestReadinessAtAdoption(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(p *corev1.Pod)
	}{
		{"no probe", func(*corev1.Pod) {}},
		{"readiness", func(p *corev1.Pod) { p.Spec.Containers[0].ReadinessProbe = execProbe(10) }},
		{"startup", func(p *corev1.Pod) { p.Spec.Containers[0].StartupProbe = execProbe(10) }},
		{"startup and readiness", func(p *corev1.Pod) {
			p.Spec.Containers[0].StartupProbe, p.Spec.Containers[0].ReadinessProbe = execProbe(10), execProbe(10)
		}},
		{"sidecar", func(p *corev1.Pod) {
			always := corev1.ContainerRestartPolicyAlways
			p.Spec.InitContainers = []corev1.Container{{Name: "side", Image: "img:1", RestartPolicy: &always, StartupProbe: execProbe(10)}}
		}},
		{"gate", func(p *corev1.Pod) {
			p.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: services.RightGate}}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			onRig(t, func(r *rig) {
				answer := 0
				r.On("s-*", enginefake.Script{Exec: func(ctx context.Context, _ *enginefake.Execution) (int, error) {
					select {
					case <-time.After(3 * time.Second):
					case <-ctx.Done():
					}
					r.mu.Lock()
					defer r.mu.Unlock()
					return answer, nil
				}})
				r.Start(newPod("a", "a-1", c.change), "")
				r.pass(time.Second)
				r.SetCondition("a", corev1.PodCondition{Type: services.RightGate, Status: corev1.ConditionTrue})
				r.pass(2 * time.Minute)
				r.ready("a-1", true)
				p := r.restart()["a"]
				MarkReady(p, services.RightGate)
				r.start(p)
				r.pass(10 * time.Minute)
				if !slices.Equal(r.history, []string{"a ready"}) {
					t.Errorf("adopted as ready it was %v", r.history)
				}
				r.do(func() { answer = 1 })
				r.pass(10 * time.Minute)
				probed := p.Spec.Containers[0].ReadinessProbe != nil
				r.ready("a-1", !probed)
				r.do(func() { answer = 0 })
				r.pass(10 * time.Minute)
				p = r.restart()["a"]
				r.start(p)
				if r.history[0] != "a unready" && (probed || p.Spec.ReadinessGates != nil) {
					t.Errorf("adopted as not ready it was %v", r.history)
				}
			})
		})
	}
}

// TestSavedStateIsKept: what the loop saved of a pod holds though the engine cannot tell it: a pod that had done its work does not
// run again, also without its container, and one that was being deleted goes.
func TestSavedStateIsKept(t *testing.T) {
	onRig(t, func(r *rig) {
		r.On("s-a*", enginefake.Script{Exit: &enginefake.Exit{After: time.Second}})
		r.Start(newPod("a", "a-1", func(p *corev1.Pod) { p.Spec.RestartPolicy = corev1.RestartPolicyNever }), "")
		r.Start(newPod("b", "b-1"), "")
		r.pass(time.Minute)
		ended := r.status("a-1")
		if ended.Status.Phase != corev1.PodSucceeded {
			t.Fatalf("the pod is %s", ended.Status.Phase)
		}
		list, _ := r.ListContainers(r.t.Context(), map[string]string{"dev.lyandev.pod": "a"})
		for _, c := range list {
			if err := r.RemoveContainer(r.t.Context(), c.ID); err != nil {
				t.Fatal(err)
			}
		}
		starts := len(r.Calls("StartContainer"))
		b := r.restart()["b"]
		at := metav1.Now()
		b.DeletionTimestamp, b.DeletionGracePeriodSeconds = &at, b.Spec.TerminationGracePeriodSeconds
		r.Start(ended, "")
		r.Start(b, "")
		r.Delete("b", nil)
		r.pass(10 * time.Minute)
		wantCalls(t, r.done(starts, "StartContainer"))
		if r.Get("a") == nil || r.Get("b") != nil || !slices.Equal(r.told().gone, []types.UID{"b-1"}) {
			t.Errorf("a has worker %v, b %v; gone: %v", r.Get("a"), r.Get("b"), r.told().gone)
		}
		if p := r.Get("a").Pod(); p.Status.Phase != corev1.PodSucceeded {
			t.Errorf("the pod that had succeeded is %s", p.Status.Phase)
		}
	})
}
