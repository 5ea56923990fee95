package cluster

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
)

// ofKind is a workload of a kind, with one container that runs a command.
func ofKind(kind, name, command string) *services.Workload {
	var t *corev1.PodTemplateSpec
	x := &services.Workload{}
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}
	switch kind {
	case "Deployment":
		o := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: name}}
		o.Spec.Selector, o.Spec.Replicas, t, x.Object = selector, new(int32(1)), &o.Spec.Template, o
	case "StatefulSet":
		o := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: name}}
		o.Spec.Selector, o.Spec.Replicas, t, x.Object = selector, new(int32(1)), &o.Spec.Template, o
	case "DaemonSet":
		o := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Name: name}}
		o.Spec.Selector, t, x.Object = selector, &o.Spec.Template, o
	}
	t.Labels = map[string]string{"app": name}
	t.Spec.Containers = []corev1.Container{{Name: "c", Image: "img:1", Command: []string{command}}}
	return x
}

// TestPodsOfTheFormerRevisionAreOutdated: after a changed stack was taken over, the pods of the one before are outdated, also
// while the new version waits for a dependency, and the new ones are not.
func TestPodsOfTheFormerRevisionAreOutdated(t *testing.T) {
	for _, kind := range []string{"Deployment", "StatefulSet", "DaemonSet"} {
		t.Run(kind, func(t *testing.T) {
			w := NewCluster(Config{})
			want(t, w, prepared(t, ofKind(kind, "web", "false")))
			settle(t, w, time.Now())
			pods := w.PodsOf("web")
			if len(pods) != 1 {
				t.Fatalf("%d pods", len(pods))
			}
			if w.wantedRevision("web") == "" || w.outdated(pods[0]) {
				t.Fatalf("a pod of the wanted revision %q is outdated: labels %v", w.wantedRevision("web"), pods[0].Labels)
			}
			want(t, w, prepared(t, ofKind(kind, "web", "true")))
			if !w.outdated(pods[0]) {
				t.Errorf("a pod of the former revision is not outdated: labels %v", pods[0].Labels)
			}
			for range 3 { // roll it out
				settle(t, w, time.Now())
				makeReady(t, w, "web")
			}
			if len(w.PodsOf("web")) != 1 {
				t.Fatalf("%d pods after the roll-out", len(w.PodsOf("web")))
			}
			for _, p := range w.PodsOf("web") {
				if w.outdated(p) {
					t.Errorf("the new pod is outdated: labels %v, want %s", p.Labels, w.wantedRevision("web"))
				}
			}
		})
	}
}
