package prepare

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
)

// TestNoRecreate: what runs keeps its template and gets the new number of pods; what is new is as the file says.
func TestNoRecreate(t *testing.T) {
	plain := func(name, image string, replicas int32) *services.Workload {
		x := &services.ComposeService{ObjectMeta: metav1.ObjectMeta{Name: name}}
		x.Spec.Replicas = &replicas
		x.Spec.Template.Spec.Containers = []corev1.Container{{Name: name, Image: image}}
		return &services.Workload{Object: x}
	}
	running := &services.Stack{Workloads: []*services.Workload{plain("web", "web:1", 1), plain("gone", "gone:1", 1)}}
	next := &services.Stack{Workloads: []*services.Workload{plain("web", "web:2", 3), plain("new", "new:2", 2)}}
	got := NoRecreate(running, next)
	if len(got.Workloads) != 2 {
		t.Fatalf("%d workloads", len(got.Workloads))
	}
	for i, want := range []struct {
		image string
		n     int32
	}{{"web:1", 3}, {"new:2", 2}} {
		if x := got.Workloads[i]; x.PodSpec().Containers[0].Image != want.image || x.Replicas() != want.n {
			t.Errorf("%s has image %s and %d replicas, want %v", x.Name(), x.PodSpec().Containers[0].Image, x.Replicas(), want)
		}
	}
	if n := running.Workloads[0].Replicas(); n != 1 {
		t.Errorf("the running stack was changed: %d replicas", n)
	}
	if NoRecreate(nil, next) != next {
		t.Error("without a running stack the next one is taken")
	}
}
