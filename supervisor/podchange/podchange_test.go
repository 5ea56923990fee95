package podchange_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/podchange"
)

// sandboxed is a workload that is a pod, with the containers that are named.
func sandboxed(name string, containers ...string) *services.Workload {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: map[string]string{services.WorkloadLabel: name},
		Annotations: map[string]string{pod.SandboxAnnotation: "true"},
	}}
	for _, c := range containers {
		p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: c, Image: "img"})
	}
	return &services.Workload{Object: p}
}

// TestInPlace: what a running bare pod keeps, and when it has to be replaced.
func TestInPlace(t *testing.T) {
	run := func(w *services.Workload) *corev1.Pod {
		p := w.Object.(*corev1.Pod).DeepCopy()
		p.UID, p.Labels[services.RoleLabel] = "u", "master"
		return p
	}
	have := run(sandboxed("redis", "master"))
	wanted := sandboxed("redis", "master", "sentinel").Object.(*corev1.Pod)
	wanted.Labels["sentinel"] = "true"
	if podchange.Same(sandboxed("redis", "master").Object.(*corev1.Pod), have) == false {
		t.Error("a role makes it another pod")
	}
	if podchange.Same(wanted, have) || !podchange.InPlace(wanted, have) {
		t.Fatal("a container that joins replaces the pod")
	}
	next := podchange.Apply(wanted, have)
	if next.UID != "u" || next.Labels[services.RoleLabel] != "master" || next.Labels["sentinel"] != "true" || len(next.Spec.Containers) != 2 {
		t.Errorf("changed in place: %+v", next)
	}
	back := podchange.Apply(sandboxed("redis", "master").Object.(*corev1.Pod), next)
	if _, still := back.Labels["sentinel"]; still || len(back.Spec.Containers) != 1 || back.Labels[services.RoleLabel] != "master" {
		t.Errorf("changed back: %+v", back)
	}
	bare := wanted.DeepCopy()
	delete(bare.Annotations, pod.SandboxAnnotation)
	if podchange.InPlace(bare, have) {
		t.Error("a sandbox that is not wanted any more is no change of containers")
	}
	other := wanted.DeepCopy()
	other.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "A", Value: "b"}}
	if podchange.InPlace(other, have) {
		t.Error("another environment of the container that stays needs a new pod")
	}
	led := sandboxed("redis", "master").Object.(*corev1.Pod)
	led.Annotations[services.LocalhostAnnotation] = "6379=redis:6379"
	if podchange.InPlace(led, have) {
		t.Error("the sandbox serves the loopback's ports: other ports need another sandbox")
	}
	moved := sandboxed("redis", "master").Object.(*corev1.Pod)
	moved.Annotations[compose.NetworksAnnotation] = `[{"network":"back"}]`
	if podchange.InPlace(moved, have) {
		t.Error("a pod is attached to its networks when it is made: other networks need another pod")
	}
	restarted := sandboxed("redis", "master").Object.(*corev1.Pod)
	restarted.Annotations[services.RestartedAtAnnotation] = "now"
	if podchange.Same(restarted, have) || podchange.InPlace(restarted, have) {
		t.Error("a restart by hand must replace the pod")
	}
}
