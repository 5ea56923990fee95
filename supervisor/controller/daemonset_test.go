package controller_test

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/lyandev/lyandev/supervisor/controller"
)

const daemonSetYAML = `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: log, namespace: default}
spec:
  selector: {matchLabels: {app: log}}
  template:
    metadata: {labels: {app: log}}
    spec: {containers: [{name: c, image: "img:1"}]}
`

func daemons(t failer, nodes ...string) *world {
	w := newWorld(t)
	w.view.DaemonSets = []*appsv1.DaemonSet{object[*appsv1.DaemonSet](t, daemonSetYAML)}
	w.view.Nodes = nodes
	return w
}

func (w *world) editDaemon(do func(*appsv1.DaemonSetSpec)) {
	d := w.view.DaemonSets[0].DeepCopy()
	do(&d.Spec)
	w.store(d)
}

func daemonImage(i string) func(*appsv1.DaemonSetSpec) {
	return func(s *appsv1.DaemonSetSpec) { s.Template.Spec.Containers[0].Image = i }
}

func daemonSurge(surge, unavailable int32) func(*appsv1.DaemonSetSpec) {
	return func(s *appsv1.DaemonSetSpec) {
		a, b := intstr.FromInt32(surge), intstr.FromInt32(unavailable)
		s.UpdateStrategy.RollingUpdate = &appsv1.RollingUpdateDaemonSet{MaxSurge: &a, MaxUnavailable: &b}
	}
}

func TestOnePodANodeR191(t *testing.T) {
	w := daemons(t)
	w.settle()
	w.wantPods("log-1")
	if n := w.pod("log-1").Spec.NodeName; n != controller.DefaultNode {
		t.Errorf("node is %q", n)
	}
	w.view.Nodes = []string{controller.DefaultNode, "b"}
	w.settle()
	w.wantPods("log-1", "log-2")
	w.view.Nodes = []string{"b"}
	w.settle()
	w.wantPods("log-1(deleted)", "log-2")
}

func TestTheOldDaemonIsGoneBeforeTheNewR191(t *testing.T) {
	w := daemons(t)
	w.allReady()
	w.editDaemon(daemonImage("img:2"))
	w.wantPlan(t, "delete pod log-1: DaemonSet/log has a new template")
	w.settle()
	w.wantPods("log-1(deleted)")
	w.gone("log-1")
	w.settle()
	w.wantPods("log-2")
}

func TestMaxUnavailableBoundsTheUpdateR191(t *testing.T) {
	w := daemons(t, "a", "b", "c", "d")
	w.editDaemon(daemonSurge(0, 2))
	w.allReady()
	w.editDaemon(daemonImage("img:2"))
	w.settle()
	if n := strings.Count(strings.Join(w.podNames(), " "), "(deleted)"); n != 2 {
		t.Errorf("%d are deleted: %v", n, w.podNames())
	}
}

func TestAnUnavailableOldDaemonGoesAtOnceR191(t *testing.T) {
	w := daemons(t, "a", "b")
	w.allReady()
	w.setReady(false, "log-2")
	w.editDaemon(daemonImage("img:2"))
	w.settle()
	w.wantPods("log-1", "log-2(deleted)")
}

func TestSurgeMakesTheNewDaemonFirstR191(t *testing.T) {
	w := daemons(t)
	w.editDaemon(daemonSurge(1, 0))
	w.allReady()
	w.editDaemon(daemonImage("img:2"))
	w.settle()
	w.wantPods("log-1", "log-2")
	w.setReady(true, "log-2")
	w.wantPlan(t, "delete pod log-1: log-2 takes its place on node "+controller.DefaultNode)
}

func TestSurgeDropsAnUnreadyOldDaemonR191(t *testing.T) {
	w := daemons(t)
	w.editDaemon(daemonSurge(1, 0))
	w.allReady()
	w.editDaemon(daemonImage("img:2"))
	w.settle()
	w.setReady(false, "log-1")
	w.settle()
	w.wantPods("log-1(deleted)", "log-2")
}

func TestSurgeReplacesADeletedDaemonAtOnceR191(t *testing.T) {
	w := daemons(t)
	w.editDaemon(daemonSurge(1, 0))
	w.settle()
	w.allReady()
	w.delete("log-1")
	w.settle()
	w.wantPods("log-1(deleted)", "log-2")
}

func TestDaemonOnDeleteR191(t *testing.T) {
	w := daemons(t)
	w.editDaemon(func(s *appsv1.DaemonSetSpec) {
		s.UpdateStrategy = appsv1.DaemonSetUpdateStrategy{Type: appsv1.OnDeleteDaemonSetStrategyType}
	})
	w.allReady()
	w.editDaemon(daemonImage("img:2"))
	w.settle()
	w.wantPods("log-1")
	w.delete("log-1")
	w.allReady()
	if got := w.pod("log-2").Spec.Containers[0].Image; got != "img:2" {
		t.Errorf("image is %s", got)
	}
}

func TestFailedDaemonsAreReplacedWithBackOffR191(t *testing.T) {
	w := daemons(t)
	var waits []time.Duration
	for range 13 {
		w.settle()
		p := w.view.Pods[0]
		w.now = w.now.Add(500 * time.Millisecond)
		w.end(p.Name, 1)
		start := w.now
		w.settle()
		for w.pod(p.Name).DeletionTimestamp == nil {
			w.now = w.next
			w.settle()
		}
		waits = append(waits, w.now.Sub(start))
		w.gone(p.Name)
	}
	want := []time.Duration{0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900}
	for i := range want {
		if waits[i] != want[i]*time.Second {
			t.Fatalf("waits are %v", waits)
		}
	}
	if len(w.view.Memory.Daemons) != 1 {
		t.Errorf("memory is %v", w.view.Memory)
	}
}

func TestSucceededDaemonsAreReplacedAtOnce(t *testing.T) {
	w := daemons(t)
	w.allReady()
	w.end("log-1", 0)
	w.settle()
	w.wantPods("log-1(deleted)", "log-2")
}

func TestDuplicateDaemonsArePruned(t *testing.T) {
	w := daemons(t)
	w.allReady()
	twin := w.pod("log-1").DeepCopy()
	twin.Name = "log-twin"
	twin.CreationTimestamp.Time = twin.CreationTimestamp.Add(time.Minute)
	w.view.Pods = append(w.view.Pods, twin)
	w.settle()
	w.wantPods("log-1", "log-twin(deleted)")
	if s := w.view.DaemonSets[0].Status; s.CurrentNumberScheduled != 1 || s.NumberAvailable != 1 {
		t.Errorf("status is %+v", s)
	}
	if w.pod("log-1").Status.Phase != corev1.PodRunning {
		t.Error("the older one was touched")
	}
}
