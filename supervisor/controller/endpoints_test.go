package controller_test

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/lyandev/lyandev/supervisor/controller"
)

func service(do ...func(*corev1.ServiceSpec)) *corev1.Service {
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "default"}}
	s.Spec.Selector = map[string]string{"app": "web"}
	s.Spec.Ports = []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromString("http")}}
	for _, f := range do {
		f(&s.Spec)
	}
	return s
}

func endpointPod(name string, isReady, deleted bool, do ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", Labels: map[string]string{"app": "web"}}}
	p.Status.PodIP, p.Status.Phase = "10.1.0.1", corev1.PodRunning
	p.Spec.Containers = []corev1.Container{{Name: "c", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}}}}
	if isReady {
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	}
	if deleted {
		now := metav1.NewTime(epoch)
		p.DeletionTimestamp = &now
	}
	for _, f := range do {
		f(p)
	}
	return p
}

func TestEndpointsR121R122R123(t *testing.T) {
	publish := func(s *corev1.ServiceSpec) { s.PublishNotReadyAddresses = true }
	tests := []struct {
		name    string
		service *corev1.Service
		pod     *corev1.Pod
		want    string
	}{
		{"ready", service(), endpointPod("p", true, false), "ready serving"},
		{"not ready", service(), endpointPod("p", false, false), ""},
		{"terminating", service(), endpointPod("p", true, true), "serving terminating"},
		{"terminating and not ready", service(), endpointPod("p", false, true), "terminating"},
		{"published anyway", service(publish), endpointPod("p", false, false), "ready"},
		{"published while terminating", service(publish), endpointPod("p", true, true), "ready serving terminating"},
		{"no address", service(), endpointPod("p", true, false, func(p *corev1.Pod) { p.Status.PodIP = "" }), "none"},
		{"succeeded", service(), endpointPod("p", true, false, func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }), "none"},
		{"failed", service(publish), endpointPod("p", true, false, func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }), "none"},
		{"other label", service(), endpointPod("p", true, false, func(p *corev1.Pod) { p.Labels = nil }), "none"},
		{"other namespace", service(), endpointPod("p", true, false, func(p *corev1.Pod) { p.Namespace = "x" }), "none"},
		{"no selector", service(func(s *corev1.ServiceSpec) { s.Selector = nil }), endpointPod("p", true, false), "none"},
		{"external name", service(func(s *corev1.ServiceSpec) { s.Type = corev1.ServiceTypeExternalName }), endpointPod("p", true, false), "none"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := "none"
			if e := controller.Endpoints(tt.service, []*corev1.Pod{tt.pod}); len(e) == 1 {
				got = ""
				for _, flag := range []struct {
					on   bool
					name string
				}{{e[0].Ready, "ready"}, {e[0].Serving, "serving"}, {e[0].Terminating, "terminating"}} {
					if flag.on && got != "" {
						got += " "
					}
					if flag.on {
						got += flag.name
					}
				}
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestEndpointHostnameR124(t *testing.T) {
	for _, tt := range []struct{ hostname, subdomain, want string }{
		{"web-0", "web", "web-0"}, {"web-0", "other", ""}, {"", "web", ""},
	} {
		p := endpointPod("web-0", true, false, func(p *corev1.Pod) { p.Spec.Hostname, p.Spec.Subdomain = tt.hostname, tt.subdomain })
		if got := controller.Endpoints(service(), []*corev1.Pod{p})[0].Hostname; got != tt.want {
			t.Errorf("%s in %s: %q, want %q", tt.hostname, tt.subdomain, got, tt.want)
		}
	}
}

func TestTargetPort(t *testing.T) {
	pod := endpointPod("p", true, false)
	always := corev1.ContainerRestartPolicyAlways
	pod.Spec.InitContainers = []corev1.Container{
		{Name: "side", RestartPolicy: &always, Ports: []corev1.ContainerPort{{Name: "admin", ContainerPort: 9000, Protocol: corev1.ProtocolTCP}}},
		{Name: "once", Ports: []corev1.ContainerPort{{Name: "never", ContainerPort: 9001}}},
	}
	for _, tt := range []struct {
		target   intstr.IntOrString
		protocol corev1.Protocol
		want     int32
		ok       bool
	}{
		{intstr.FromInt32(0), "", 80, true},
		{intstr.FromString(""), "", 80, true},
		{intstr.FromInt32(81), "", 81, true},
		{intstr.FromString("http"), "", 8080, true},
		{intstr.FromString("http"), corev1.ProtocolUDP, 0, false},
		{intstr.FromString("admin"), corev1.ProtocolTCP, 9000, true},
		{intstr.FromString("never"), "", 0, false},
		{intstr.FromString("8080"), "", 0, false},
	} {
		got, ok := controller.TargetPort(corev1.ServicePort{Port: 80, TargetPort: tt.target, Protocol: tt.protocol}, pod)
		if got != tt.want || ok != tt.ok {
			t.Errorf("%s/%s: %d, %t", tt.target.String(), tt.protocol, got, ok)
		}
	}
}

func TestTargetsR122(t *testing.T) {
	up := endpointPod("up", true, false)
	going := endpointPod("going", true, true)
	down := endpointPod("down", false, false)
	for _, tt := range []struct {
		pods []*corev1.Pod
		want string
	}{
		{[]*corev1.Pod{up, going, down}, "[up]"},
		{[]*corev1.Pod{going, down}, "[going]"},
		{[]*corev1.Pod{down}, "[]"},
		{nil, "[]"},
	} {
		names := []string{}
		for _, e := range controller.Targets(controller.Endpoints(service(), tt.pods)) {
			names = append(names, e.Pod)
		}
		if fmt.Sprint(names) != tt.want {
			t.Errorf("targets are %v, want %s", names, tt.want)
		}
	}
}

func TestEndpointsAreSorted(t *testing.T) {
	e := controller.Endpoints(service(), []*corev1.Pod{endpointPod("b", true, false), endpointPod("a", true, false)})
	if len(e) != 2 || e[0].Pod != "a" || e[0].Ports[0].Target != 8080 || e[0].Ports[0].Port != 80 {
		t.Errorf("%+v", e)
	}
}
