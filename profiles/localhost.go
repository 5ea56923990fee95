package profiles

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
)

// localhostPath is the path of an entry of a service's x-lyandev.localhost.
func localhostPath(service, port string) keyPath {
	return keyPath{"services", service, extensionKey, "localhost", port}
}

// quotePorts makes strings of the keys of x-lyandev.localhost in a document or fragment: compose-go refuses other keys.
func quotePorts(n *yaml.Node) {
	all := fields(child(n, "services"))
	for i := 1; i < len(all); i += 2 {
		ports := fields(child(all[i], extensionKey, "localhost"))
		for j := 0; j < len(ports); j += 2 {
			ports[j].Tag, ports[j].Style = "!!str", yaml.DoubleQuotedStyle
		}
	}
}

// addLocalhost adds a service's x-lyandev.localhost to the ports of a loopback, which may be nil, and returns them.
func (c *converter) addLocalhost(out services.Localhost, service string) services.Localhost {
	ports := c.ext[service].Localhost
	for _, from := range slices.Sorted(maps.Keys(ports)) {
		at := localhostPath(service, from)
		port, err := services.Port(from)
		if err != nil {
			c.bad(at, "write for example 6379: redis:6379", "%v", err)
			continue
		}
		if _, _, err := services.SplitTarget(ports[from]); err != nil {
			c.bad(at, "", "%v", err)
			continue
		}
		if to, ok := out[port]; ok && to != ports[from] {
			c.bad(at, "services that share a pod share its loopback", "port %d of the pod's loopback leads to %s already", port, to)
			continue
		}
		if out == nil {
			out = services.Localhost{}
		}
		out[port] = ports[from]
	}
	return out
}

// localhost leads ports of a plain service's loopback to other services. The container must have a network namespace of its own, in
// which the names of other services resolve.
func (p *plain) localhost() {
	ports := p.c.addLocalhost(nil, p.s.Name)
	if len(ports) == 0 {
		return
	}
	if mode := p.s.NetworkMode; mode != "" && mode != "bridge" {
		at := keyPath{"services", p.s.Name, extensionKey, "localhost"}
		p.c.bad(at, "set localhost at the service whose network it joins, or remove network_mode",
			"a container with network_mode %s has no loopback of its own from which other services can be reached", mode)
		return
	}
	p.out.Localhost = ports.String()
}

// verifyLocalhost checks that the targets of a service's x-lyandev.localhost exist, and that there is a loopback of the pod's own.
func (c *converter) verifyLocalhost(service string) {
	owner := service
	if !c.plain[service] {
		owner = c.owner[service]
	}
	w := c.stack.Workload(c.workloadName(owner))
	for _, from := range slices.Sorted(maps.Keys(c.ext[service].Localhost)) {
		at := localhostPath(service, from)
		if w.PodSpec().HostNetwork {
			c.bad(at, "", "a pod in the host's network has no loopback of its own")
			continue
		}
		host, port, _ := services.SplitTarget(c.ext[service].Localhost[from]) // checked when it was added
		if svc := c.named(host); svc != nil && !c.ofPlain(svc) {
			c.verifyServicePort(at, svc, port)
		} else if _, ok := c.project.Services[host]; !ok && svc == nil {
			c.bad(at, didYouMean(host, c.hosts()), "there is no Service %q", host)
		}
	}
}

// followRoles marks the ports of a service's x-lyandev.localhost that lead to a headless Service which selects on a role.
func (c *converter) followRoles(service string) {
	meta := c.stack.Workload(c.workloadName(c.owner[service])).PodMeta()
	ports, err := services.ParseLocalhost(meta.Annotations[services.LocalhostAnnotation])
	if err != nil {
		return // it has none
	}
	for port, to := range ports {
		host, _, err := services.SplitTarget(to)
		if err != nil {
			continue // another service of the pod has marked it
		}
		name, _, _ := strings.Cut(host, ".")
		svc := c.stack.Service(name)
		if svc == nil || svc.Spec.ClusterIP != corev1.ClusterIPNone {
			continue
		}
		if _, byRole := svc.Spec.Selector[services.RoleLabel]; byRole {
			ports[port] = services.FollowRole(to)
		}
	}
	meta.Annotations[services.LocalhostAnnotation] = ports.String()
}

// named returns the Service that a host name of the stack means: NAME, NAME.NAMESPACE..., or POD.NAME... for a headless one.
func (c *converter) named(host string) *corev1.Service {
	first, rest, _ := strings.Cut(host, ".")
	if svc := c.stack.Service(first); svc != nil {
		return svc
	}
	second, _, _ := strings.Cut(rest, ".")
	return c.stack.Service(second)
}

// ofPlain reports whether a Service stands for the host ports of a plain service, whose name leads to its containers and so to any
// port.
func (c *converter) ofPlain(svc *corev1.Service) bool {
	return slices.ContainsFunc(c.stack.Workloads, func(w *services.Workload) bool { return w.Plain() && w.Behind(svc) })
}

// hosts are the names of the Services.
func (c *converter) hosts() []string {
	var out []string
	for _, s := range c.stack.Services {
		out = append(out, s.Name)
	}
	return out
}

// verifyServicePort checks that a Service with an address of its own has the port. The name of a headless one leads to its pods,
// which may listen on any.
func (c *converter) verifyServicePort(at keyPath, svc *corev1.Service, port int) {
	if svc.Spec.ClusterIP == corev1.ClusterIPNone || len(svc.Spec.Ports) == 0 {
		return
	}
	var have []string
	for _, p := range svc.Spec.Ports {
		if p.Port == int32(port) {
			return
		}
		have = append(have, strconv.Itoa(int(p.Port)))
	}
	c.bad(at, "it has "+strings.Join(have, ", "), "Service %s has no port %d", svc.Name, port)
}
