package network

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/lyandev/lyandev/services"
)

func exposed(ports []corev1.ContainerPort, list ...*corev1.Service) *services.Stack {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web"}}
	d.Spec.Template.Labels = map[string]string{"app": "web"}
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "c", Ports: ports}}
	return &services.Stack{Workloads: []*services.Workload{{Object: d, Source: "f:1"}}, Services: list}
}

func service(name string, typ corev1.ServiceType, nodePort int32, target intstr.IntOrString) *corev1.Service {
	return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.ServiceSpec{
		Type: typ, Selector: map[string]string{"app": "web"},
		Ports: []corev1.ServicePort{{Port: 80, NodePort: nodePort, TargetPort: target}},
	}}
}

// addresses are the host ports in short.
func addresses(s *services.Stack) (out []string) {
	for _, h := range s.HostPorts {
		out = append(out, h.HostIP+" "+string(rune('0'+h.HostPort%10))+" "+h.Service+" "+string(h.Protocol))
	}
	return out
}

func TestExpose(t *testing.T) {
	ingress := exposed(nil)
	ingress.Ingresses = []*networkingv1.Ingress{{ObjectMeta: metav1.ObjectMeta{Name: "in"}}}
	named := exposed(nil)
	named.Ingresses = ingress.Ingresses
	named.HostPorts = []services.HostPort{{HostIP: loopback, HostPort: 9, Protocol: corev1.ProtocolTCP}}
	published := exposed(nil, service("svc", corev1.ServiceTypeNodePort, 0, intstr.FromInt32(8000)))
	published.HostPorts = []services.HostPort{{HostIP: loopback, HostPort: 7, Service: "svc", Port: 80, Protocol: corev1.ProtocolTCP}}
	container := []corev1.ContainerPort{{Name: "http", ContainerPort: 8000, HostPort: 8001}}
	for name, c := range map[string]struct {
		stack *services.Stack
		want  []string
	}{
		"nothing to expose":      {exposed(nil, service("svc", corev1.ServiceTypeClusterIP, 0, intstr.FromInt32(8000))), nil},
		"node port":              {exposed(nil, service("svc", corev1.ServiceTypeNodePort, 30001, intstr.FromInt32(8000))), []string{"127.0.0.1 1 svc TCP"}},
		"any node port":          {exposed(nil, service("svc", corev1.ServiceTypeNodePort, 0, intstr.FromInt32(8000))), []string{"127.0.0.1 0 svc TCP"}},
		"load balancer":          {exposed(nil, service("svc", corev1.ServiceTypeLoadBalancer, 30002, intstr.FromInt32(8000))), []string{"127.0.0.1 2 svc TCP"}},
		"reachable already":      {published, []string{"127.0.0.1 7 svc TCP"}},
		"host port, by number":   {exposed(container, service("svc", "", 0, intstr.FromInt32(8000))), []string{"127.0.0.1 1 svc TCP"}},
		"host port, by name":     {exposed(container, service("svc", "", 0, intstr.FromString("http"))), []string{"127.0.0.1 1 svc TCP"}},
		"host port, no service":  {exposed(container), []string{"127.0.0.1 1 web-host-ports TCP"}},
		"host port, with an IP":  {exposed([]corev1.ContainerPort{{ContainerPort: 53, HostPort: 3, HostIP: "127.0.0.2", Protocol: corev1.ProtocolUDP}}), []string{"127.0.0.2 3 web-host-ports UDP"}},
		"ingress, usual port":    {ingress, []string{"127.0.0.1 0  TCP"}},
		"ingress, port was said": {named, []string{"127.0.0.1 9  TCP"}},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 { // doing it twice is doing it once
				Expose(c.stack)
				if d := cmp.Diff(c.want, addresses(c.stack)); d != "" {
					t.Error(d)
				}
			}
			if n := len(c.stack.Services); n > 1 {
				t.Errorf("%d services", n)
			}
		})
	}
}

func TestExposedContainersShareTheirService(t *testing.T) {
	s := exposed([]corev1.ContainerPort{{ContainerPort: 8000, HostPort: 1}, {ContainerPort: 9000, HostPort: 2}})
	Expose(s)
	made := s.Service("web-host-ports")
	if made == nil || len(s.Services) != 1 || !slices.EqualFunc(made.Spec.Ports, []int32{8000, 9000}, func(p corev1.ServicePort, n int32) bool { return p.Port == n }) {
		t.Fatalf("made %+v", s.Services)
	}
	if made.Spec.ClusterIP != corev1.ClusterIPNone {
		t.Error("it has an address, and so appears in the pods' environment")
	}
}
