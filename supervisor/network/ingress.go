package network

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/lyandev/lyandev/supervisor/agent"
)

// ingress adds the rules of one Ingress. ImplementationSpecific is treated as Prefix. TLS is not supported: it adds a note.
func (b *builder) ingress(in *networkingv1.Ingress, all []*corev1.Service) {
	if len(in.Spec.TLS) > 0 {
		b.note("ingress %s: tls is not served, use http", in.Name)
	}
	add := func(rule agent.IngressRule, to *networkingv1.IngressBackend) {
		if to.Service == nil {
			b.note("ingress %s: the backend of %s%s is not a service", in.Name, rule.Host, rule.Path)
			return
		}
		rule.Namespace, rule.Service = namespaceOf(in.Namespace), to.Service.Name
		if rule.ServicePort = backendPort(to.Service, all); rule.ServicePort == 0 {
			b.note("ingress %s: service %s has no port %q", in.Name, to.Service.Name, to.Service.Port.Name)
			return
		}
		b.table.Ingress = append(b.table.Ingress, rule)
	}
	if in.Spec.DefaultBackend != nil {
		add(agent.IngressRule{}, in.Spec.DefaultBackend)
	}
	for _, r := range in.Spec.Rules {
		if r.HTTP == nil {
			continue
		}
		for _, p := range r.HTTP.Paths {
			rule := agent.IngressRule{Host: r.Host, Path: p.Path, PathType: string(networkingv1.PathTypePrefix)}
			if p.PathType != nil && *p.PathType == networkingv1.PathTypeExact {
				rule.PathType = string(networkingv1.PathTypeExact)
			}
			if rule.Path == "" {
				rule.Path = "/"
			}
			add(rule, &p.Backend)
		}
	}
}

// backendPort returns the number of a backend's port, 0 if the Service has no port of that name.
func backendPort(to *networkingv1.IngressServiceBackend, all []*corev1.Service) uint16 {
	if to.Port.Number != 0 {
		return uint16(to.Port.Number)
	}
	for _, s := range all {
		if s.Name != to.Name {
			continue
		}
		for _, p := range s.Spec.Ports {
			if p.Name == to.Port.Name {
				return uint16(p.Port)
			}
		}
	}
	return 0
}
