package profiles

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/go-connections/nat"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/lyandev/lyandev/services"
)

// loopback is the address of published ports for which the file gives none.
const loopback = "127.0.0.1"

// ownBindings reports whether the container itself publishes a port: because the file wants it, or because the agent cannot
// reach the container or does not know the protocol.
func (p *plain) ownBindings(sp types.ServicePortConfig) bool {
	return p.c.ext[p.s.Name].Ports == containerPorts || p.s.NetworkMode == "bridge" || p.s.NetworkMode == "default" || sp.Protocol == "sctp"
}

// unpublished reports whether Docker ignores the published ports: the container has no network of its own, or only internal
// ones.
func (p *plain) unpublished() bool {
	switch mode := p.s.NetworkMode; {
	case mode == "bridge" || mode == "default":
		return false
	case mode != "":
		return true
	}
	for _, key := range p.s.NetworksByPriority() {
		if n := p.c.project.Networks[key]; !n.Internal || bool(n.External) {
			return false
		}
	}
	return len(p.s.Networks) > 0
}

// bindings are the container's own port bindings.
func (p *plain) bindings() {
	p.out.Host.PortBindings = nat.PortMap{}
	for i, sp := range p.s.Ports {
		if !p.ownBindings(sp) {
			continue
		}
		port := dockerPort(sp)
		p.out.Host.PortBindings[port] = append(p.out.Host.PortBindings[port], nat.PortBinding{HostIP: p.hostIP(i), HostPort: sp.Published})
	}
}

func (p *plain) hostIP(i int) string {
	ip := p.s.Ports[i].HostIP
	if ip == "" {
		return loopback
	}
	if _, err := netip.ParseAddr(ip); err != nil {
		p.c.bad(p.at.with("ports", index(i)), "write for example 127.0.0.1", "%q is not an IP address", ip)
	}
	return ip
}

// publish adds a headless Service with the published ports of the workload, and the host ports that the agent forwards to it.
// expose makes no Service: Docker's own DNS resolves the service's name.
func (p *plain) publish(w *services.Workload) {
	if p.unpublished() {
		if len(p.s.Ports) > 0 && p.s.NetworkMode == "" {
			p.c.note(p.at.with("ports"), "ignored: all networks of the service are internal")
		}
		return
	}
	svc := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: w.Name(), Namespace: metav1.NamespaceDefault, Labels: map[string]string{appLabel: w.Name()}},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeClusterIP, ClusterIP: corev1.ClusterIPNone, PublishNotReadyAddresses: true,
			Selector: map[string]string{appLabel: w.Name(), nameLabel: w.Name()},
		},
	}
	for i, sp := range p.s.Ports {
		if p.ownBindings(sp) {
			continue
		}
		addServicePort(svc, sp)
		p.hostPorts(svc.Name, i)
	}
	if len(svc.Spec.Ports) > 0 {
		p.c.declaredAt["Service/"+svc.Name] = p.at
		p.c.stack.Services = append(p.c.stack.Services, svc)
	}
}

func addServicePort(svc *corev1.Service, sp types.ServicePortConfig) {
	port, proto := int32(sp.Target), protocol(sp.Protocol)
	if slices.ContainsFunc(svc.Spec.Ports, func(o corev1.ServicePort) bool { return o.Port == port && o.Protocol == proto }) {
		return
	}
	name := sp.Name
	taken := slices.ContainsFunc(svc.Spec.Ports, func(o corev1.ServicePort) bool { return o.Name == name })
	if taken || len(validation.IsDNS1123Label(name)) > 0 {
		name = fmt.Sprintf("%s-%d", strings.ToLower(string(proto)), port)
	}
	svc.Spec.Ports = append(svc.Spec.Ports, corev1.ServicePort{Name: name, Port: port, Protocol: proto, TargetPort: intstr.FromInt32(port)})
}

// hostPorts adds the host ports of one entry of ports. Of a range, Compose gives each container a port of its own; here as many
// ports of the range are published as there are containers, and each leads to all of them.
func (p *plain) hostPorts(service string, i int) {
	sp, at := p.s.Ports[i], p.at.with("ports", index(i))
	first, last, err := nat.ParsePortRangeToInt(sp.Published)
	if sp.Published == "" {
		first, last, err = 0, 0, nil
	}
	if err != nil {
		p.c.bad(at, "write for example 8080 or 8080-8090", "%q is not a valid host port", sp.Published)
		return
	}
	pos, _ := p.c.l.loc.find(at...)
	host := services.HostPort{HostIP: p.hostIP(i), Service: service, Port: int32(sp.Target), Protocol: protocol(sp.Protocol), Source: pos.String()}
	for n := first; n < first+max(p.s.GetScale(), 1) && n <= last; n++ {
		host.HostPort, host.LastHostPort = int32(n), 0
		if n < last {
			host.LastHostPort = int32(last)
		}
		p.c.stack.HostPorts = append(p.c.stack.HostPorts, host)
	}
}
