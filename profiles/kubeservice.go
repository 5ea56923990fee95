package profiles

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/lyandev/lyandev/services"
)

// ports returns the container's ports from Compose's ports and expose.
func (p *pod) ports(s types.ServiceConfig) []corev1.ContainerPort {
	var out []corev1.ContainerPort
	add := func(port corev1.ContainerPort) {
		for i := range out {
			if out[i].ContainerPort == port.ContainerPort && out[i].Protocol == port.Protocol {
				if out[i].Name == "" {
					out[i].Name = port.Name
				}
				return
			}
		}
		out = append(out, port)
	}
	for _, sp := range s.Ports {
		add(corev1.ContainerPort{Name: sp.Name, ContainerPort: int32(sp.Target), Protocol: protocol(sp.Protocol)})
	}
	for i, e := range s.Expose {
		word, proto, _ := strings.Cut(e, "/")
		first, last, isRange := strings.Cut(word, "-")
		from, err := strconv.ParseInt(first, 10, 32)
		to := from
		if isRange && err == nil {
			to, err = strconv.ParseInt(last, 10, 32)
		}
		if err != nil || from < 1 || to > 65535 || to < from || to-from > 1000 {
			p.c.bad(keyPath{"services", s.Name, "expose", index(i)}, "write for example 8080 or 8080/udp", "%q is not a port", e)
			continue
		}
		for n := from; n <= to; n++ {
			add(corev1.ContainerPort{ContainerPort: int32(n), Protocol: protocol(proto)})
		}
	}
	return out
}

func protocol(s string) corev1.Protocol {
	if s == "" {
		return corev1.ProtocolTCP
	}
	return corev1.Protocol(strings.ToUpper(s))
}

// serviceObjects creates the Services of a workload: those in the file, else a headless Service with the workload's name and all
// its ports, which matches name resolution in Compose. Workloads that run to completion get none.
func (c *converter) serviceObjects(s types.ServiceConfig, ext serviceExt, p *pod, kind string) {
	at := keyPath{"services", s.Name, extensionKey, "service"}
	c.declaredAt["Service/"+p.name] = keyPath{"services", s.Name}
	if !ext.Service.set && kind != "Job" && kind != "CronJob" {
		c.addService(alsoNamed(headless(p.name, p), s.Name))
	}
	for i, m := range ext.Service.list {
		path := at
		if !ext.Service.one {
			path = at.with(index(i))
		}
		svc, err := c.declared(p.name, m, p)
		if err != nil {
			c.bad(path, "", "%v", err)
			continue
		}
		if svc.Name == p.name {
			svc = alsoNamed(svc, s.Name)
		}
		c.declaredAt["Service/"+svc.Name] = path
		c.addService(svc)
	}
	c.pods[s.Name] = p
}

// aliases makes the aliases of services lead to their pods. It comes after all services: their own names win.
func (c *converter) aliases(names []string) {
	for _, n := range names {
		p := c.pods[n]
		if p == nil {
			continue
		}
		nets := c.project.Services[n].Networks
		for _, network := range slices.Sorted(maps.Keys(nets)) {
			if nets[network] == nil {
				continue
			}
			for _, alias := range nets[network].Aliases {
				c.alias(alias, n, p)
			}
		}
	}
}

func (c *converter) addService(svc *corev1.Service) { c.stack.Services = append(c.stack.Services, svc) }

// alias makes a name lead to the pods of p. A name that another service has is left to it.
func (c *converter) alias(alias, service string, p *pod) {
	name := dnsName(alias, maxWorkloadName)
	if c.workloadName(service) == alias || alias == service {
		return
	}
	svc := c.stack.Service(name)
	switch {
	case svc == nil:
		c.declaredAt["Service/"+name] = keyPath{"services", service, "networks"}
		c.addService(alsoNamed(headless(name, p), alias))
	case maps.Equal(svc.Spec.Selector, p.selector()):
		alsoNamed(svc, alias)
	case c.names.files[name] != "":
		c.note(keyPath{"services", service, "networks"}, "ignored: the alias %s, because service %s has that name", alias, c.written(name))
	}
}

// alsoNamed gives a Service a further DNS name if it differs from its own.
func alsoNamed(svc *corev1.Service, name string) *corev1.Service {
	if name == svc.Name {
		return svc
	}
	if svc.Annotations == nil {
		svc.Annotations = map[string]string{}
	}
	svc.Annotations[services.NamesAnnotation] = strings.TrimPrefix(svc.Annotations[services.NamesAnnotation]+","+name, ",")
	return svc
}

func headless(name string, p *pod) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: metav1.NamespaceDefault, Labels: map[string]string{appLabel: name}},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeClusterIP, ClusterIP: corev1.ClusterIPNone, Selector: p.selector(), Ports: servicePorts(p),
			// Unlike in Compose, the name resolves only to ready pods: dependents wait for readiness anyway, and
			// traffic must not reach pods that are not ready.
			PublishNotReadyAddresses: false,
		},
	}
}

// servicePorts returns all ports of the pod's containers, each with a name.
func servicePorts(p *pod) []corev1.ServicePort {
	var out []corev1.ServicePort
	for _, cont := range p.spec.Containers {
		for _, port := range cont.Ports {
			name := port.Name
			if name == "" {
				name = strings.ToLower(string(protocol(string(port.Protocol)))) + "-" + strconv.Itoa(int(port.ContainerPort))
			}
			if slices.ContainsFunc(out, func(o corev1.ServicePort) bool { return o.Name == name }) {
				continue
			}
			out = append(out, corev1.ServicePort{
				Name: name, Port: port.ContainerPort, Protocol: protocol(string(port.Protocol)), TargetPort: intstr.FromInt32(port.ContainerPort),
			})
		}
	}
	return out
}

// declared decodes one Service of x-lyandev. Name, selector and ports default to those of the workload.
func (c *converter) declared(name string, m map[string]any, p *pod) (*corev1.Service, error) {
	meta, spec := splitMeta(m)
	if meta.Name == "" {
		meta.Name = name
	}
	svc := &corev1.Service{ObjectMeta: meta}
	if err := decode(spec, &svc.Spec); err != nil {
		return nil, err
	}
	if len(svc.Spec.Selector) == 0 {
		svc.Spec.Selector = p.selector()
	}
	if len(svc.Spec.Ports) == 0 {
		svc.Spec.Ports = servicePorts(p)
	}
	return defaultService(svc), nil
}

// topServices returns the Services of x-lyandev.services, in name order.
func (c *converter) topServices() {
	for _, name := range slices.Sorted(maps.Keys(c.top.Services)) {
		meta, spec := splitMeta(c.top.Services[name])
		meta.Name = name
		svc := &corev1.Service{ObjectMeta: meta}
		c.declaredAt["Service/"+name] = keyPath{extensionKey, "services", name}
		if err := decode(spec, &svc.Spec); err != nil {
			c.bad(keyPath{extensionKey, "services", name}, "", "%v", err)
			continue
		}
		c.stack.Services = append(c.stack.Services, defaultService(svc))
	}
}

func defaultService(svc *corev1.Service) *corev1.Service {
	if svc.Spec.Type == "" {
		svc.Spec.Type = corev1.ServiceTypeClusterIP
	}
	for i := range svc.Spec.Ports {
		port := &svc.Spec.Ports[i]
		port.Protocol = protocol(string(port.Protocol))
		if port.TargetPort == (intstr.IntOrString{}) {
			port.TargetPort = intstr.FromInt32(port.Port)
		}
	}
	return svc
}

// hostPorts maps Compose's published ports to the Service of the container, on 127.0.0.1 unless the file gives an address.
func (c *converter) hostPorts(names []string) {
	for _, n := range names {
		s := c.project.Services[n]
		if c.plain[n] {
			continue // plainService has published them
		}
		for i, sp := range s.Ports {
			at := keyPath{"services", n, "ports", index(i)}
			published, rest, _ := strings.Cut(sp.Published, "-")
			port, err := strconv.ParseUint("0"+published, 10, 16)
			if err != nil {
				c.bad(at, "", "%q is not a valid host port", sp.Published)
				continue
			}
			if rest != "" && rest != published {
				c.note(at, "approximated: only the first port of the range %s is used", sp.Published)
			}
			svc, servicePort := c.serviceFor(n, int32(sp.Target), protocol(sp.Protocol))
			if svc == "" {
				svc, servicePort = c.publishedPort(n, int32(sp.Target), protocol(sp.Protocol))
			}
			ip := sp.HostIP
			if ip == "" {
				ip = "127.0.0.1"
			}
			pos, _ := c.l.loc.find(at...)
			c.stack.HostPorts = append(c.stack.HostPorts, services.HostPort{
				HostIP: ip, HostPort: int32(port), Service: svc, Port: servicePort, Protocol: protocol(sp.Protocol), Source: pos.String(),
			})
		}
	}
}

// publishedPort makes a published port that the workload's Services do not have, such as that of a debugger, one of a headless Service of its
// own: the Services of x-lyandev.service stay as the file has them.
func (c *converter) publishedPort(service string, target int32, proto corev1.Protocol) (string, int32) {
	p := c.pods[c.owner[service]]
	name := p.name + publishedSuffix
	svc := c.stack.Service(name)
	for n := 2; svc != nil && !maps.Equal(svc.Spec.Selector, p.selector()); n++ {
		name = p.name + publishedSuffix + "-" + strconv.Itoa(n)
		svc = c.stack.Service(name)
	}
	if svc == nil {
		svc = headless(name, p)
		svc.Spec.Ports = nil
		c.declaredAt["Service/"+name] = keyPath{"services", service, "ports"}
		c.addService(svc)
	}
	svc.Spec.Ports = append(svc.Spec.Ports, corev1.ServicePort{
		Name: strings.ToLower(string(proto)) + "-" + strconv.Itoa(int(target)), Port: target, TargetPort: intstr.FromInt32(target), Protocol: proto,
	})
	return name, target
}

// publishedSuffix ends the names of Services that publishedPort makes.
const publishedSuffix = "-published"

// serviceFor returns the first Service that selects a workload's pods and targets the given port.
func (c *converter) serviceFor(service string, target int32, proto corev1.Protocol) (string, int32) {
	w := c.stack.Workload(c.workloadName(c.owner[service]))
	for _, svc := range c.stack.Services {
		if !w.Behind(svc) {
			continue
		}
		for _, port := range svc.Spec.Ports {
			if port.Protocol == proto && targets(w.PodSpec(), port.TargetPort, target) {
				return svc.Name, port.Port
			}
		}
	}
	return "", 0
}

func targets(spec *corev1.PodSpec, target intstr.IntOrString, port int32) bool {
	if target.Type == intstr.Int {
		return target.IntVal == port
	}
	for _, c := range spec.Containers {
		for _, p := range c.Ports {
			if p.Name == target.StrVal && p.ContainerPort == port {
				return true
			}
		}
	}
	return false
}
