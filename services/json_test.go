package services

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestStackSurvivesJSON(t *testing.T) {
	want := &Stack{Name: "s", Workloads: []*Workload{
		{Object: &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: appsv1.DeploymentSpec{Replicas: new(int32(3))}}, Operator: "x"},
		{
			Object:    &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c"}}}},
			DependsOn: []Dependency{{Workload: "web", Condition: Healthy}},
		},
	}}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got := new(Stack)
	if err := json.Unmarshal(b, got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestUnknownKindIsAnError(t *testing.T) {
	if err := json.Unmarshal([]byte(`{"kind":"Gadget","object":{}}`), new(Workload)); err == nil {
		t.Error("a workload of an unknown kind was decoded")
	}
}
