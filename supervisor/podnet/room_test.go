package podnet

import (
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
)

func deployment(name string, replicas int32) *services.Workload {
	return &services.Workload{
		Source: "f:3", Object: &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: appsv1.DeploymentSpec{Replicas: &replicas}},
	}
}

func job(name string, parallelism int32, completions *int32) *services.Workload {
	return &services.Workload{Object: &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: batchv1.JobSpec{Parallelism: &parallelism, Completions: completions},
	}}
}

func TestCheckRoom(t *testing.T) {
	many := func(n int, headless bool) (list []*corev1.Service) {
		for i := range n {
			s := service(fmt.Sprint("s", i))
			if headless {
				s.Spec.ClusterIP = corev1.ClusterIPNone
			}
			list = append(list, s)
		}
		return list
	}
	cases := []struct {
		name  string
		stack services.Stack
		want  []string
	}{
		{"an empty stack", services.Stack{}, nil},
		{"as many as there are", services.Stack{Workloads: []*services.Workload{deployment("a", 500), deployment("b", 8)}}, nil},
		{"one too many", services.Stack{Workloads: []*services.Workload{deployment("a", 500), deployment("b", 9)}}, []string{"509 pods", "for 508", "f:3", "a alone asks for 500"}},
		{"a slip of the finger", services.Stack{Workloads: []*services.Workload{deployment("a", 1), deployment("b", 1000000000), deployment("c", 2000000000)}}, []string{"3000000001 pods", "c alone"}},
		{"a wide job", services.Stack{Workloads: []*services.Workload{job("a", 1000, nil)}}, []string{"1000 pods"}},
		{"a wide job of few", services.Stack{Workloads: []*services.Workload{job("a", 1000, new(int32(3)))}}, nil},
		{"as many services as there are", services.Stack{Services: many(256, false)}, nil},
		{"too many services", services.Stack{Services: many(257, false)}, []string{"257 services", "for 256"}},
		{"headless services", services.Stack{Services: many(1000, true)}, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := newRig(t, t.TempDir()).n.CheckRoom(&c.stack)
			if (err == nil) != (c.want == nil) {
				t.Fatalf("got %v", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}
