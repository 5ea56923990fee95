package network

import (
	"net"
	"net/netip"
	"strconv"

	"github.com/lyandev/lyandev/supervisor/agent"
)

// Registry lists every Service with its current endpoints, for `lyandev endpoints`.
type Registry struct {
	Project  string            `json:"project"`
	Services []RegistryService `json:"services"`
}

// RegistryService is one Service.
type RegistryService struct {
	Name string `json:"name"`
	// DNS is the fully qualified name.
	DNS string `json:"dns"`
	// Type is the Service's type, or "Headless".
	Type         string         `json:"type"`
	Address      string         `json:"address,omitempty"`
	ExternalName string         `json:"externalName,omitempty"`
	Ports        []RegistryPort `json:"ports,omitempty"`
	// Ready are the endpoints that get new connections, NotReady the others.
	Ready    []RegistryEndpoint `json:"ready"`
	NotReady []RegistryEndpoint `json:"notReady"`
}

// RegistryPort is one port of a Service.
type RegistryPort struct {
	Name     string `json:"name,omitempty"`
	Port     int    `json:"port"`
	Protocol string `json:"protocol"`
	// Host lists the published addresses on the host, host:port.
	Host []string `json:"host,omitempty"`
}

// RegistryEndpoint is one pod behind a Service.
type RegistryEndpoint struct {
	Pod     string `json:"pod"`
	Address string `json:"address"`
	// Hostname is the pod's fully qualified name below a headless Service.
	Hostname string `json:"hostname,omitempty"`
	// Ports maps the Service's port numbers to target ports.
	Ports       map[string]int `json:"ports,omitempty"`
	Terminating bool           `json:"terminating,omitempty"`
}

// NewRegistry returns the registry of a view. It is pure.
func NewRegistry(project string, v View) Registry {
	v.Networks = nil // who is behind a Service, also where the agent is not
	t, _ := Table(v)
	reg := Registry{Project: project, Services: []RegistryService{}}
	for i := range t.Services {
		s := &t.Services[i]
		domain := s.Name + "." + s.Namespace + ".svc.cluster.local"
		out := RegistryService{
			Name: s.Name, DNS: domain, Type: string(v.Services[i].Spec.Type), ExternalName: s.ExternalName,
			Ready: []RegistryEndpoint{}, NotReady: []RegistryEndpoint{},
		}
		switch {
		case s.ExternalName != "":
		case !NeedsVIP(v.Services[i]):
			out.Type = "Headless"
		case out.Type == "":
			out.Type = "ClusterIP"
		}
		if s.VIP.IsValid() {
			out.Address = s.VIP.String()
		}
		for _, p := range s.Ports {
			out.Ports = append(out.Ports, RegistryPort{p.Name, int(p.Port), p.Protocol, hostAddresses(v.HostPorts, s, p)})
		}
		addEndpoints(&out, t, s, domain)
		reg.Services = append(reg.Services, out)
	}
	return reg
}

func hostAddresses(all []Published, s *agent.Service, p agent.ServicePort) (out []string) {
	for _, h := range all {
		if h := h.Host; h.Service == s.Name && uint16(h.Port) == p.Port && protocolOf(h.Protocol) == p.Protocol && s.Namespace == namespaceOf(h.Namespace) {
			out = append(out, net.JoinHostPort(h.HostIP, strconv.Itoa(int(h.HostPort))))
		}
	}
	return out
}

func addEndpoints(out *RegistryService, t *agent.Table, s *agent.Service, domain string) {
	for _, sub := range s.Subsets {
		for _, n := range sub.Pods {
			p := t.Pods[n]
			e := RegistryEndpoint{Pod: p.Name, Address: p.Address.String(), Terminating: p.Terminating, Ports: map[string]int{}}
			if p.Hostname != "" && p.Subdomain == s.Name {
				e.Hostname = p.Hostname + "." + domain
			}
			for i, port := range sub.Ports {
				if port != 0 {
					e.Ports[strconv.Itoa(int(s.Ports[i].Port))+"/"+s.Ports[i].Protocol] = int(port)
				}
			}
			if p.Ready && !p.Terminating || s.PublishNotReady {
				out.Ready = append(out.Ready, e)
			} else {
				out.NotReady = append(out.NotReady, e)
			}
		}
	}
}

// Reachable reports whether a connection to the Service would find an endpoint.
func (s RegistryService) Reachable() bool {
	return len(s.Ready) > 0 || s.ExternalName != ""
}

// Lookup returns a Service by name or address.
func (r Registry) Lookup(nameOrAddress string) (RegistryService, bool) {
	addr, _ := netip.ParseAddr(nameOrAddress)
	for _, s := range r.Services {
		if s.Name == nameOrAddress || s.DNS == nameOrAddress || (addr.IsValid() && s.Address == addr.String()) {
			return s, true
		}
	}
	return RegistryService{}, false
}
