package controller_test

import (
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lyandev/lyandev/supervisor/controller"
)

const replicaSetYAML = `
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: web, namespace: default}
spec:
  replicas: %d
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}, annotations: {note: hello}}
    spec: {containers: [{name: c, image: "img:1"}]}
`

func replicaSet(t failer, replicas int) *appsv1.ReplicaSet {
	return object[*appsv1.ReplicaSet](t, fmt.Sprintf(replicaSetYAML, replicas))
}

func (w *world) scaleSet(n int32) {
	rs := w.view.ReplicaSets[0].DeepCopy()
	rs.Spec.Replicas = &n
	w.store(rs)
}

func TestReplicaSetReplacesAtOnceR190(t *testing.T) {
	w := newWorld(t)
	w.view.ReplicaSets = []*appsv1.ReplicaSet{replicaSet(t, 2)}
	w.allReady()
	w.wantPods("web-1", "web-2")
	w.delete("web-1")
	w.wantPlan(t, "create pod web-3 (img:1): ReplicaSet/web has 1 of 2 pods")
	w.settle()
	w.wantPods("web-1(deleted)", "web-2", "web-3")
	w.end("web-2", 0)
	w.settle()
	w.wantPods("web-1(deleted)", "web-2", "web-3", "web-4")
	p := w.pod("web-4")
	if p.Labels["app"] != "web" || p.Annotations["note"] != "hello" || p.OwnerReferences[0].Name != "web" {
		t.Errorf("metadata is %+v", p.ObjectMeta)
	}
}

// TestScaleDownRankingR190 gives two pods that differ in one criterion and otherwise in the other direction by all that come
// after it; the first is to go.
func TestScaleDownRankingR190(t *testing.T) {
	now := epoch.Add(time.Hour)
	at := func(ago time.Duration) metav1.Time { return metav1.NewTime(now.Add(-ago)) }
	readyPod := func(readyFor, age time.Duration) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Spec.NodeName = "n"
			p.Status.Phase = corev1.PodRunning
			p.CreationTimestamp = at(age)
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: at(readyFor)}}
		}
	}
	restarted := func(n int32) func(*corev1.Pod) {
		return func(p *corev1.Pod) { p.Status.ContainerStatuses = []corev1.ContainerStatus{{RestartCount: n}} }
	}
	cost := func(c string) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Annotations = map[string]string{"controller.kubernetes.io/pod-deletion-cost": c}
		}
	}
	phase := func(ph corev1.PodPhase) func(*corev1.Pod) {
		return func(p *corev1.Pod) { p.Status.Phase = ph; p.Status.Conditions = nil }
	}
	unready := func(p *corev1.Pod) { p.Status.Conditions = nil }
	noNode := func(p *corev1.Pod) { p.Spec.NodeName = "" }
	old, young := readyPod(50*time.Minute, 50*time.Minute), readyPod(time.Minute, time.Minute)
	tests := []struct {
		name     string
		go1, not []func(*corev1.Pod)
	}{
		{"not scheduled", []func(*corev1.Pod){old, noNode}, []func(*corev1.Pod){young, phase(corev1.PodPending)}},
		{"Pending", []func(*corev1.Pod){old, phase(corev1.PodPending)}, []func(*corev1.Pod){young, unready}},
		{"not ready", []func(*corev1.Pod){old, unready}, []func(*corev1.Pod){young, cost("-10")}},
		{"lower cost", []func(*corev1.Pod){old, cost("-10")}, []func(*corev1.Pod){young, cost("10")}},
		{"shorter ready", []func(*corev1.Pod){readyPod(time.Minute, 50*time.Minute)}, []func(*corev1.Pod){readyPod(50*time.Minute, time.Minute), restarted(9)}},
		{"more restarts", []func(*corev1.Pod){readyPod(time.Minute, 50*time.Minute), restarted(3)}, []func(*corev1.Pod){readyPod(time.Minute, time.Minute)}},
		{"newer", []func(*corev1.Pod){readyPod(time.Minute, time.Minute)}, []func(*corev1.Pod){readyPod(time.Minute, 50*time.Minute)}},
	}
	for _, tt := range tests {
		for _, first := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/%t", tt.name, first), func(t *testing.T) {
				w := newWorld(t)
				w.view.ReplicaSets = []*appsv1.ReplicaSet{replicaSet(t, 2)}
				w.settle()
				goes, stays := "web-1", "web-2"
				if !first {
					goes, stays = stays, goes
				}
				for _, f := range tt.go1 {
					w.change(goes, f)
				}
				for _, f := range tt.not {
					w.change(stays, f)
				}
				w.now = now
				w.scaleSet(1)
				w.settle()
				if w.pod(goes).DeletionTimestamp == nil || w.pod(stays).DeletionTimestamp != nil {
					t.Errorf("pods are %v, %s was to go", w.podNames(), goes)
				}
			})
		}
	}
}

func TestAgesAreComparedByPowersOfTwoR190(t *testing.T) {
	w := newWorld(t)
	w.view.ReplicaSets = []*appsv1.ReplicaSet{replicaSet(t, 2)}
	w.settle()
	w.setReady(true, "web-1")
	w.now = w.now.Add(time.Second)
	w.setReady(true, "web-2")
	// 40 s and 41 s lie in one power of two, so the UID decides: web-1 came first.
	w.now = w.now.Add(40 * time.Second)
	w.change("web-1", func(p *corev1.Pod) { p.UID = types.UID("a") })
	w.change("web-2", func(p *corev1.Pod) { p.UID = types.UID("b") })
	w.scaleSet(1)
	w.settle()
	w.wantPods("web-1(deleted)", "web-2")
}

func TestMoreOnTheNodeGoFirstR190(t *testing.T) {
	w := newWorld(t)
	w.view.ReplicaSets = []*appsv1.ReplicaSet{replicaSet(t, 3)}
	w.settle()
	w.setReady(true, "web-1", "web-2", "web-3")
	for name, node := range map[string]string{"web-1": "a", "web-2": "b", "web-3": "b"} {
		w.change(name, func(p *corev1.Pod) { p.Spec.NodeName = node })
	}
	w.scaleSet(2)
	w.settle()
	if w.pod("web-1").DeletionTimestamp != nil {
		t.Errorf("pods are %v", w.podNames())
	}
}

func TestReplicaSetStatusCountsAvailability(t *testing.T) {
	w := newWorld(t)
	rs := replicaSet(t, 2)
	rs.Spec.MinReadySeconds = 10
	w.view.ReplicaSets = []*appsv1.ReplicaSet{rs}
	w.settle()
	w.setReady(true, "web-1")
	w.settle()
	if s := w.view.ReplicaSets[0].Status; s.Replicas != 2 || s.ReadyReplicas != 1 || s.AvailableReplicas != 0 {
		t.Errorf("status is %+v", s)
	}
	w.wait(10 * time.Second)
	if s := w.view.ReplicaSets[0].Status; s.AvailableReplicas != 1 {
		t.Errorf("status is %+v", s)
	}
}

func TestNamesAreDrawnAgainIfTaken(t *testing.T) {
	w := newWorld(t)
	w.view.ReplicaSets = []*appsv1.ReplicaSet{replicaSet(t, 3)}
	lots := []string{"a", "a", "a", "b", "a", "b", "c"}
	w.view.Names = func(*corev1.Pod) string {
		if len(lots) == 0 {
			return "z"
		}
		n := lots[0]
		lots = lots[1:]
		return n
	}
	plan := controller.Reconcile(w.view, w.now)
	seen := map[string]bool{}
	for _, a := range plan.Actions {
		if c, ok := a.(controller.CreatePod); ok {
			if seen[c.Pod.Name] {
				t.Errorf("%s is used twice", c.Pod.Name)
			}
			seen[c.Pod.Name] = true
		}
	}
	if len(seen) != 3 {
		t.Errorf("names are %v", seen)
	}
}

func TestRandomNames(t *testing.T) {
	source := controller.RandomNames()
	seen := map[string]bool{}
	for range 100 {
		n := source(&corev1.Pod{})
		if len(n) != 5 {
			t.Fatalf("name %q", n)
		}
		seen[n] = true
	}
	if len(seen) < 95 {
		t.Errorf("only %d different names of 100", len(seen))
	}
}
