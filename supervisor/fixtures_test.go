package supervisor

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/prepare"
)

func deployment(name string, replicas int32, deps ...services.Dependency) *services.Workload {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: name}}
	d.Spec.Replicas = &replicas
	d.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}
	d.Spec.Template.Labels = map[string]string{"app": name}
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "c", Image: "img:1"}}
	return &services.Workload{Object: d, DependsOn: deps}
}

func prepared(t testing.TB, workloads ...*services.Workload) *services.Stack {
	t.Helper()
	s, err := prepare.Stack(&services.Stack{Name: "s", Workloads: workloads}, "s", nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func operated(w *services.Workload, operator string) *services.Workload {
	w.Operator = operator
	return w
}

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

// want makes a stack the wanted one and releases what may start.
func want(t *testing.T, s *Supervisor, stack *services.Stack) {
	t.Helper()
	if err := s.cluster.Want(stack); err != nil {
		t.Fatal(err)
	}
	if _, err := s.cluster.Release(time.Now()); err != nil {
		t.Fatal(err)
	}
}

// drain handles the messages that wait in the inbox.
func drain(s *Supervisor) {
	select {
	case m := <-s.inbox:
		s.receive(m)
	default:
	}
}

// podsByWorkload are the names of the pods, by workload.
func podsByWorkload(pods []*corev1.Pod) map[string]*corev1.Pod {
	out := map[string]*corev1.Pod{}
	for _, p := range pods {
		out[p.Labels[services.WorkloadLabel]] = p
	}
	return out
}
