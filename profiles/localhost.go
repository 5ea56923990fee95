package profiles

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
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

// addLocalhost adds a service's x-lyandev.localhost to the pod. Services that share the pod share its loopback.
func (p *pod) addLocalhost(s types.ServiceConfig, ext serviceExt) {
	for _, from := range slices.Sorted(maps.Keys(ext.Localhost)) {
		at := localhostPath(s.Name, from)
		port, err := services.Port(from)
		if err != nil {
			p.c.bad(at, "such as 6379: redis:6379", "%v", err)
			continue
		}
		if _, _, err := services.SplitTarget(ext.Localhost[from]); err != nil {
			p.c.bad(at, "", "%v", err)
			continue
		}
		if to, ok := p.localhost[port]; ok && to != ext.Localhost[from] {
			p.c.bad(at, "services that share a pod share its loopback", "port %d of the pod's loopback leads to %s already", port, to)
			continue
		}
		if p.localhost == nil {
			p.localhost = services.Localhost{}
		}
		p.localhost[port] = ext.Localhost[from]
	}
}

// verifyLocalhost checks that the targets of a service's x-lyandev.localhost exist, and that there is a loopback of the pod's own.
func (c *converter) verifyLocalhost(service string) {
	w := c.stack.Workload(c.workloadName(c.owner[service]))
	for _, from := range slices.Sorted(maps.Keys(c.ext[service].Localhost)) {
		at := localhostPath(service, from)
		if w.PodSpec().HostNetwork {
			c.bad(at, "", "a pod in the host's network has no loopback of its own")
			continue
		}
		host, port, _ := services.SplitTarget(c.ext[service].Localhost[from]) // checked when it was added
		if svc := c.named(host); svc != nil {
			c.verifyServicePort(at, svc, port)
		} else if _, ok := c.project.Services[host]; !ok {
			c.bad(at, didYouMean(host, c.hosts()), "there is no Service %q", host)
		}
	}
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
