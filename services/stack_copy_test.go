package services

import (
	"reflect"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services/compose"
)

func full() *Stack {
	replicas := int32(2)
	return &Stack{
		Name: "n", Profile: "p", Dir: "/d", Timing: "fast",
		Workloads: []*Workload{{
			Object: &appsv1.Deployment{
				ObjectMeta: metav1.ObjectMeta{Name: "web", Labels: map[string]string{"a": "b"}},
				Spec: appsv1.DeploymentSpec{Replicas: &replicas, Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
					Containers: []corev1.Container{{Name: "c", Resources: corev1.ResourceRequirements{
						Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")},
					}}},
				}}},
			},
			DependsOn: []Dependency{{Workload: "db", Condition: Healthy}},
			Options:   map[string]string{"o": "1"}, RestartOn: []string{"f"},
			Bootstrap: []BootstrapStep{{Name: "s", Check: []string{"x"}, Run: []string{"y"}}},
			Watch:     []WatchRule{{Path: "/p", Include: []string{"i"}, Ignore: []string{"g"}, Exec: &compose.Hook{Command: []string{"e"}, Env: []string{"v"}}}},
			Test:      &TestCommand{Command: []string{"t"}, Env: map[string]string{"E": "1"}},
			Source:    "f:1",
		}},
		Services:   []*corev1.Service{{ObjectMeta: metav1.ObjectMeta{Name: "svc"}, Spec: corev1.ServiceSpec{Selector: map[string]string{"a": "b"}}}},
		ConfigMaps: []*corev1.ConfigMap{{Data: map[string]string{"k": "v"}}},
		Secrets:    []*corev1.Secret{{Data: map[string][]byte{"k": []byte("v")}}},
		Ingresses:  []*networkingv1.Ingress{{Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{Host: "h"}}}}},
		Builds: []*Build{{
			Name: "b", Args: map[string]string{"a": "1"}, Labels: map[string]string{"l": "1"}, CacheFrom: []string{"f"}, CacheTo: []string{"t"},
			AdditionalContexts: map[string]string{"x": "y"}, Secrets: map[string]string{"s": "/f"}, SSH: map[string]string{"d": ""},
		}},
		HostPaths: []HostPath{{Path: "/p"}},
		Providers: []*compose.Provider{{Options: map[string][]string{"o": {"1"}}, DependsOn: []string{"a"}, Dependents: []string{"b"}}},
		Models:    []*compose.Model{{Key: "m", RuntimeFlags: []string{"f"}}},
		HostPorts: []HostPort{{HostIP: "127.0.0.1", HostPort: 80}},
		Notes:     []string{"note"}, NotApplied: []string{"note"},
	}
}

// scramble changes everything that can be reached and is not shared through a copy.
func scramble(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			scramble(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				scramble(v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			scramble(v.Index(i))
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			v.SetMapIndex(k, reflect.Zero(v.Type().Elem()))
		}
	case reflect.String:
		if v.CanSet() {
			v.SetString("changed")
		}
	case reflect.Int32, reflect.Uint8:
		if v.CanSet() {
			v.SetZero()
		}
	}
}

func TestDeepCopySharesNothing(t *testing.T) {
	original, want := full(), full()
	c := original.DeepCopy()
	if !reflect.DeepEqual(c, want) {
		t.Fatal("the copy differs")
	}
	scramble(reflect.ValueOf(c))
	if !reflect.DeepEqual(original, want) {
		t.Error("a change of the copy reached the original")
	}
	if original.Equal(c) {
		t.Error("the changed copy counts as equal")
	}
}

func TestDeepCopyOfNothing(t *testing.T) {
	var s *Stack
	var w *Workload
	var b *Build
	if s.DeepCopy() != nil || w.DeepCopy() != nil || b.DeepCopy() != nil {
		t.Error("nil copies to nil")
	}
	if !w.Equal(nil) || w.Equal(&Workload{}) {
		t.Error("nil equals nil alone")
	}
}

func TestEqual(t *testing.T) {
	a, b := full(), full()
	b.Workloads[0].PodSpec().Containers[0].Resources.Limits[corev1.ResourceMemory] = resource.MustParse("1024Mi")
	b.Workloads[0].PodSpec().Containers[0].Args = []string{}
	if !a.Equal(b) {
		t.Error("the same quantity in other words, and an empty list, are no difference")
	}
	b.Workloads[0].Source = "g:2"
	if !a.Workloads[0].Equal(b.Workloads[0]) {
		t.Error("where a workload was declared is no difference")
	}
	b.Workloads[0].Object.(*appsv1.Deployment).Spec.Template.Spec.Containers[0].Image = "other"
	if a.Workloads[0].Equal(b.Workloads[0]) || a.Equal(b) {
		t.Error("another image is a difference")
	}
}
