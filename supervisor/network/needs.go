package network

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
)

// DefaultKey is the key under networks: of the network that services are in if they name none.
const DefaultKey = "default"

// Needs are the parts of the network that a stack needs.
type Needs struct {
	// Agent is false if nothing of the stack goes through the agent: plain services without host ports.
	Agent bool
	// Default is true if something is in the project's default network.
	Default bool
	// Pinned is the first workload of Kubernetes' semantics, whose pods need addresses that lyandev assigns; nil if there is none.
	Pinned *services.Workload
	// ClusterServices is true if the stack has Services of Kubernetes' semantics, whose names plain containers must find too.
	ClusterServices bool
	// HostPorts are the host ports to publish.
	HostPorts []services.HostPort
	// PlainNetworks are, for each plain workload with a host port, the Docker networks that its containers are in.
	PlainNetworks [][]string
}

// NeedsOf returns what a stack needs in the instance of a name, after Expose. It is pure. The error is a plain workload's
// annotation that cannot be decoded.
func NeedsOf(stack *services.Stack, project string) (Needs, error) {
	n := Needs{HostPorts: stack.HostPorts}
	for _, w := range stack.Workloads {
		if !w.Plain() && n.Pinned == nil {
			n.Pinned = w
		}
	}
	for _, s := range stack.Services {
		n.ClusterServices = n.ClusterServices || !OfPlain(stack, s)
	}
	n.Agent = n.Pinned != nil || n.ClusterServices || len(stack.HostPorts) > 0 || len(stack.Ingresses) > 0
	n.Default = n.Pinned != nil || slices.ContainsFunc(stack.Networks, func(x *compose.Network) bool { return x.Key == DefaultKey })
	for _, w := range published(stack) {
		c, err := compose.Decode(w.PodMeta().Annotations[compose.Annotation], project)
		if err != nil {
			return n, err
		}
		n.PlainNetworks = append(n.PlainNetworks, networksOf(c))
	}
	return n, nil
}

// Shared returns the Docker networks other than own that the agent has to be in to reach every plain service with a host port.
func (n Needs) Shared(own string) (out []string) {
	for _, in := range n.PlainNetworks {
		if len(in) == 0 || slices.Contains(in, own) || slices.ContainsFunc(in, func(x string) bool { return slices.Contains(out, x) }) {
			continue
		}
		out = append(out, in[0])
	}
	return out
}

// OfPlain reports whether a Service selects pods of plain services: it exists for their host ports and for `lyandev endpoints`.
func OfPlain(stack *services.Stack, s *corev1.Service) bool {
	return slices.ContainsFunc(stack.Workloads, func(w *services.Workload) bool { return w.Plain() && w.Behind(s) })
}

// published are the plain workloads with host ports.
func published(stack *services.Stack) (out []*services.Workload) {
	for _, w := range stack.Workloads {
		if w.Plain() && slices.ContainsFunc(stack.HostPorts, func(h services.HostPort) bool {
			s := stack.Service(h.Service)
			return s != nil && w.Behind(s)
		}) {
			out = append(out, w)
		}
	}
	return out
}

// networksOf are the Docker networks of a container, the primary one first; none if it has no network or another's.
func networksOf(c *compose.Container) (out []string) {
	for _, n := range c.Networks {
		out = append(out, n.Network)
	}
	if mode := c.Host.NetworkMode; len(out) == 0 && (mode.IsBridge() || mode.IsDefault()) && c.NetworkOf == "" {
		out = []string{"bridge"}
	}
	return out
}
