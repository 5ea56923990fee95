package network

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/lyandev/lyandev/services"
)

const (
	// IngressPort is the default host port of ingress rules.
	IngressPort = 8080
	loopback    = "127.0.0.1"
)

// Expose adds the host ports of Kubernetes objects to a stack, on 127.0.0.1 unless they name an address: the node ports of
// NodePort and LoadBalancer Services (any free port if none is given), the host ports of containers, and IngressPort for
// Ingresses. A container's host port leads to the first Service that selects it; if there is none, a headless one is added. It
// is idempotent.
func Expose(stack *services.Stack) {
	for _, s := range stack.Services {
		if s.Spec.Type != corev1.ServiceTypeNodePort && s.Spec.Type != corev1.ServiceTypeLoadBalancer {
			continue
		}
		for _, p := range s.Spec.Ports {
			addHostPort(stack, services.HostPort{
				HostIP: loopback, HostPort: p.NodePort, Service: s.Name, Port: p.Port, Protocol: protocolName(p.Protocol),
				Source: fmt.Sprintf("service %s, nodePort", s.Name),
			})
		}
	}
	for _, w := range stack.Workloads {
		for _, c := range w.PodSpec().Containers {
			for _, p := range c.Ports {
				if p.HostPort != 0 {
					exposeContainer(stack, w, c, p)
				}
			}
		}
	}
	toIngress := func(h services.HostPort) bool { return h.Service == "" }
	if len(stack.Ingresses) > 0 && !slices.ContainsFunc(stack.HostPorts, toIngress) {
		addHostPort(stack, services.HostPort{
			HostIP: loopback, HostPort: IngressPort, Protocol: corev1.ProtocolTCP, Source: "ingress " + stack.Ingresses[0].Name,
		})
	}
}

func exposeContainer(stack *services.Stack, w *services.Workload, c corev1.Container, p corev1.ContainerPort) {
	h := services.HostPort{
		HostIP: p.HostIP, HostPort: p.HostPort, Protocol: protocolName(p.Protocol),
		Source: fmt.Sprintf("%s: container %s of %s, hostPort", w.Source, c.Name, w.Name()),
	}
	if h.HostIP == "" {
		h.HostIP = loopback
	}
	h.Service, h.Port = inFrontOf(stack, w, p)
	if h.Service == "" {
		h.Service, h.Port = w.Name()+"-host-ports", p.ContainerPort
		addService(stack, h.Service, w, p)
	}
	addHostPort(stack, h)
}

// inFrontOf returns the first Service that targets a port of a workload's pods, "" if there is none.
func inFrontOf(stack *services.Stack, w *services.Workload, port corev1.ContainerPort) (service string, servicePort int32) {
	for _, s := range stack.Services {
		if !w.Behind(s) {
			continue
		}
		for _, p := range s.Spec.Ports {
			same := p.TargetPort.Type == intstr.String && p.TargetPort.StrVal == port.Name && port.Name != "" ||
				p.TargetPort.Type == intstr.Int && p.TargetPort.IntVal == port.ContainerPort
			if same && protocolName(p.Protocol) == protocolName(port.Protocol) {
				return s.Name, p.Port
			}
		}
	}
	return "", 0
}

// addService adds the headless Service for a workload's host ports, or adds a port to the existing one.
func addService(stack *services.Stack, name string, w *services.Workload, p corev1.ContainerPort) {
	port := corev1.ServicePort{
		Name: fmt.Sprintf("p%d", p.ContainerPort), Port: p.ContainerPort, Protocol: protocolName(p.Protocol),
		TargetPort: intstr.FromInt32(p.ContainerPort),
	}
	if s := stack.Service(name); s != nil {
		s.Spec.Ports = append(s.Spec.Ports, port)
		return
	}
	stack.Services = append(stack.Services, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: w.Meta().Namespace},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeClusterIP, ClusterIP: corev1.ClusterIPNone,
			Selector: w.PodMeta().Labels, Ports: []corev1.ServicePort{port},
		},
	})
}

// addHostPort adds h unless the same host port exists, or h accepts any port and one with its target exists.
func addHostPort(stack *services.Stack, h services.HostPort) {
	there := func(o services.HostPort) bool {
		return o.Service == h.Service && o.Port == h.Port && o.Protocol == h.Protocol &&
			(h.HostPort == 0 || (o.HostPort == h.HostPort && o.HostIP == h.HostIP))
	}
	if !slices.ContainsFunc(stack.HostPorts, there) {
		stack.HostPorts = append(stack.HostPorts, h)
	}
}

func protocolName(p corev1.Protocol) corev1.Protocol {
	if p == "" {
		return corev1.ProtocolTCP
	}
	return p
}
