package controller

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Endpoint is one pod behind a Service, as in an EndpointSlice (R121).
type Endpoint struct {
	// Pod and UID name the pod, IP is its address.
	Pod, UID, IP string
	// Hostname is set if the endpoint has a DNS name of its own (R124).
	Hostname string
	// Ready endpoints get traffic. Serving is the pod's readiness, Terminating that it is being deleted.
	Ready, Serving, Terminating bool
	// Ports are the Service's ports with the pod's own port numbers; ports whose name the pod does not have are left out.
	Ports []EndpointPort
}

// EndpointPort is a port of an endpoint: Port on the Service, Target on the pod.
type EndpointPort struct {
	Name         string
	Protocol     corev1.Protocol
	Port, Target int32
}

// Endpoints are the endpoints of a Service, by pod name (R121-R124): pods that it selects, that have an IP and have not ended.
// A Service without a selector, or of type ExternalName, has none.
func Endpoints(svc *corev1.Service, pods []*corev1.Pod) []Endpoint {
	if len(svc.Spec.Selector) == 0 || svc.Spec.Type == corev1.ServiceTypeExternalName {
		return nil
	}
	var out []Endpoint
	for _, p := range pods {
		if namespaceOf(&p.ObjectMeta) == namespaceOf(&svc.ObjectMeta) && selects(svc.Spec.Selector, p.Labels) && p.Status.PodIP != "" && !ended(p) {
			out = append(out, endpoint(svc, p))
		}
	}
	slices.SortFunc(out, func(a, b Endpoint) int { return strings.Compare(a.Pod, b.Pod) })
	return out
}

func endpoint(svc *corev1.Service, p *corev1.Pod) Endpoint {
	e := Endpoint{Pod: p.Name, UID: string(p.UID), IP: p.Status.PodIP, Serving: ready(p), Terminating: p.DeletionTimestamp != nil}
	e.Ready = svc.Spec.PublishNotReadyAddresses || e.Serving && !e.Terminating
	if p.Spec.Hostname != "" && p.Spec.Subdomain == svc.Name {
		e.Hostname = p.Spec.Hostname
	}
	for _, sp := range svc.Spec.Ports {
		if target, ok := TargetPort(sp, p); ok {
			e.Ports = append(e.Ports, EndpointPort{Name: sp.Name, Protocol: protocol(sp.Protocol), Port: sp.Port, Target: target})
		}
	}
	return e
}

// TargetPort is the port of a pod that a Service's port leads to: the number, or the container port of that name and
// protocol; not ok if the pod has none.
func TargetPort(sp corev1.ServicePort, p *corev1.Pod) (int32, bool) {
	if sp.TargetPort.Type == intstr.Int {
		if sp.TargetPort.IntVal == 0 {
			return sp.Port, true
		}
		return sp.TargetPort.IntVal, true
	}
	if sp.TargetPort.StrVal == "" {
		return sp.Port, true
	}
	containers := slices.Clone(p.Spec.Containers)
	for _, c := range p.Spec.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			containers = append(containers, c)
		}
	}
	for _, c := range containers {
		for _, cp := range c.Ports {
			if cp.Name == sp.TargetPort.StrVal && protocol(cp.Protocol) == protocol(sp.Protocol) {
				return cp.ContainerPort, true
			}
		}
	}
	return 0, false
}

// Targets are the endpoints that a ClusterIP sends to (R122): the ready ones; if there are none, those that serve while they
// terminate; if there are none either, nothing, and connections are refused.
func Targets(endpoints []Endpoint) []Endpoint {
	var isReady, last []Endpoint
	for _, e := range endpoints {
		switch {
		case e.Ready:
			isReady = append(isReady, e)
		case e.Serving && e.Terminating:
			last = append(last, e)
		}
	}
	if len(isReady) > 0 {
		return isReady
	}
	return last
}

// namespaceOf is the object's namespace, "default" if it has none.
func namespaceOf(m *metav1.ObjectMeta) string {
	if m.Namespace == "" {
		return corev1.NamespaceDefault
	}
	return m.Namespace
}

func protocol(p corev1.Protocol) corev1.Protocol {
	if p == "" {
		return corev1.ProtocolTCP
	}
	return p
}

func selects(selector, labels map[string]string) bool {
	for k, v := range selector {
		if got, ok := labels[k]; !ok || got != v {
			return false
		}
	}
	return true
}
