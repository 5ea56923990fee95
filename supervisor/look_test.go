package supervisor

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/controller"
)

// running is a supervisor without workers whose workloads have all their pods, ready.
func running(b *testing.B, workloads int, replicas int32) *Supervisor {
	b.Helper()
	s := idle(b, b.TempDir())
	s.timer = time.NewTimer(time.Hour)
	stack := &services.Stack{Name: "s"}
	for i := range workloads {
		stack.Workloads = append(stack.Workloads, deployment(fmt.Sprintf("w%03d", i), replicas))
		stack.Services = append(stack.Services, &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("w%03d", i)},
			Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": fmt.Sprintf("w%03d", i)}, Ports: []corev1.ServicePort{{Port: 80}}},
		})
	}
	stack = prepared(b, stack.Workloads...)
	if err := s.cluster.Want(stack); err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	for range 10 {
		if _, err := s.cluster.Release(now); err != nil {
			b.Fatal(err)
		}
		plan := controller.Reconcile(s.cluster.View(), now)
		s.cluster.Remember(plan.Memory)
		for _, a := range plan.Actions {
			var err error
			if c, ok := a.(controller.CreatePod); ok {
				_, err = s.cluster.Create(c.Pod, "")
			} else {
				err = s.cluster.Perform(a)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		for _, p := range s.cluster.Pods() {
			p = p.DeepCopy()
			p.Status = readyStatus("c-0")
			if _, err := s.cluster.PodStatus(p); err != nil {
				b.Fatal(err)
			}
		}
	}
	if n := len(s.cluster.Pods()); n != workloads*int(replicas) {
		b.Fatalf("%d pods", n)
	}
	return s
}

func readyStatus(container string) corev1.PodStatus {
	return corev1.PodStatus{
		Phase: corev1.PodRunning, PodIP: "10.0.0.1",
		Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
		ContainerStatuses: []corev1.ContainerStatus{{
			Name: "c", ContainerID: container, Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
		}},
	}
}

// BenchmarkLook is one look of the loop after a pod's status changed: release, controllers, operators, saved state, endpoint
// table, published status. Nothing has to be done.
func BenchmarkLook(b *testing.B) {
	for _, n := range []struct {
		workloads int
		replicas  int32
	}{{10, 1}, {100, 1}, {100, 3}} {
		b.Run(fmt.Sprintf("%dx%d", n.workloads, n.replicas), func(b *testing.B) {
			s := running(b, n.workloads, n.replicas)
			uid := s.cluster.Pods()[0].UID
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				p := s.cluster.Pod(uid).DeepCopy()
				p.Status = readyStatus(fmt.Sprint("c-", i))
				podStatus{p}.handle(s)
				s.step(b.Context())
			}
		})
	}
}
