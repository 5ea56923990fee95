package network

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/agent"
	"github.com/lyandev/lyandev/supervisor/controller"
)

// View is the input of Table.
type View struct {
	Services []*corev1.Service
	// Pods need podIP, phase and Ready condition in their status, and a deletionTimestamp while they terminate.
	Pods []*corev1.Pod
	// Networks are the Docker networks that the agent is in, its own first. Plain pods count with their address in the first of
	// these that they share, and not at all if they share none. Empty counts podIP for all.
	Networks  []string
	Ingresses []*networkingv1.Ingress
	HostPorts []Published
	// VIPs are the cluster IPs by Service name.
	VIPs map[string]netip.Addr
}

// Published is a host port and the agent's port that Docker publishes at it. Without a Service it leads to the ingress rules.
type Published struct {
	Host      services.HostPort `json:"host"`
	AgentPort uint16            `json:"agentPort"`
}

// NeedsVIP reports whether a Service has a cluster IP: it is neither headless nor an ExternalName.
func NeedsVIP(s *corev1.Service) bool {
	return s.Spec.Type != corev1.ServiceTypeExternalName && s.Spec.ClusterIP != corev1.ClusterIPNone
}

// Table computes the agent's table, with Version 0, and notes on the parts of Services that cannot be served, one line each. It
// is pure.
func Table(v View) (*agent.Table, []string) {
	b := builder{table: &agent.Table{Format: agent.TableFormat}, networks: v.Networks}
	b.pods(v.Pods)
	for _, s := range v.Services {
		b.service(s, v.VIPs[s.Name])
	}
	for _, h := range v.HostPorts {
		b.hostPort(h)
	}
	for _, in := range v.Ingresses {
		b.ingress(in, v.Services)
	}
	return b.table, b.notes
}

type builder struct {
	table    *agent.Table
	notes    []string
	networks []string
	all      []*corev1.Pod
	// indexes are the pods' indexes in the table, by name and UID.
	indexes map[string]int
	// plain says of each pod in the table whether it is one of a plain service.
	plain []bool
}

func (b *builder) note(format string, args ...any) {
	b.notes = append(b.notes, fmt.Sprintf(format, args...))
}

// pods adds the pods that have an address and have not ended (R122).
func (b *builder) pods(pods []*corev1.Pod) {
	b.indexes = make(map[string]int, len(pods))
	for _, p := range pods {
		b.table.DockerNames = b.table.DockerNames || services.PlainPod(p)
		addr, ok := addressIn(b.networks, p)
		if !ok || p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
			continue
		}
		b.indexes[p.Name+"/"+string(p.UID)] = len(b.table.Pods)
		b.plain = append(b.plain, services.PlainPod(p))
		b.table.Pods = append(b.table.Pods, agent.Pod{
			Name: p.Name, UID: string(p.UID), Address: addr, Hostname: p.Spec.Hostname, Subdomain: p.Spec.Subdomain,
			Ready: podReady(p), Terminating: p.DeletionTimestamp != nil,
		})
	}
	b.all = pods
}

// addressIn returns the IPv4 address of a pod that can be reached from networks; see View.
func addressIn(networks []string, p *corev1.Pod) (netip.Addr, bool) {
	text := p.Status.PodIP
	if services.PlainPod(p) && len(networks) > 0 && text != "" {
		text = ""
		var all map[string]string
		if json.Unmarshal([]byte(plainAddresses(p)), &all) == nil {
			for _, n := range networks {
				if text = all[n]; text != "" {
					break
				}
			}
		}
	}
	addr, err := netip.ParseAddr(text)
	return addr, err == nil && addr.Is4()
}

// plainAddresses is the message of the condition services.Addresses.
func plainAddresses(p *corev1.Pod) string {
	for _, c := range p.Status.Conditions {
		if c.Type == services.Addresses {
			return c.Message
		}
	}
	return ""
}

func podReady(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func (b *builder) service(s *corev1.Service, vip netip.Addr) {
	out := agent.Service{Namespace: namespaceOf(s.Namespace), Name: s.Name, PublishNotReady: s.Spec.PublishNotReadyAddresses, Names: furtherNames(s)}
	_, out.FollowsRole = s.Spec.Selector[services.RoleLabel]
	if s.Spec.Type == corev1.ServiceTypeExternalName {
		out.ExternalName = strings.TrimSuffix(s.Spec.ExternalName, ".")
		b.table.Services = append(b.table.Services, out)
		return
	}
	if NeedsVIP(s) {
		out.VIP = vip
	}
	if s.Spec.SessionAffinity == corev1.ServiceAffinityClientIP {
		out.AffinitySeconds = affinitySeconds(s)
	}
	var ports []corev1.ServicePort
	for _, p := range s.Spec.Ports {
		protocol := protocolOf(p.Protocol)
		if protocol == string(corev1.ProtocolSCTP) {
			b.note("service %s: port %d/SCTP is not served", s.Name, p.Port)
			continue
		}
		ports = append(ports, p)
		out.Ports = append(out.Ports, agent.ServicePort{Name: p.Name, Protocol: protocol, Port: uint16(p.Port)})
	}
	out.Subsets = b.subsets(s, ports, &out.PreferReady)
	b.table.Services = append(b.table.Services, out)
}

// furtherNames are the names of the Service's NamesAnnotation.
func furtherNames(s *corev1.Service) []string {
	list := s.Annotations[services.NamesAnnotation]
	if list == "" {
		return nil
	}
	return strings.Split(strings.ToLower(list), ",")
}

// affinitySeconds is 10800 by default (R129).
func affinitySeconds(s *corev1.Service) int {
	if c := s.Spec.SessionAffinityConfig; c != nil && c.ClientIP != nil && c.ClientIP.TimeoutSeconds != nil {
		return int(*c.ClientIP.TimeoutSeconds)
	}
	return int(corev1.DefaultClientIPServiceAffinitySeconds)
}

// subsets returns the Service's endpoints, grouped by their target ports, and sets ofPlain if one is a plain service's.
func (b *builder) subsets(s *corev1.Service, ports []corev1.ServicePort, ofPlain *bool) (out []agent.Subset) {
	for _, e := range controller.Endpoints(s, b.all) {
		i, known := b.indexes[e.Pod+"/"+e.UID]
		if !known {
			continue
		}
		*ofPlain = *ofPlain || b.plain[i]
		targets := make([]uint16, len(ports))
		for n, port := range ports {
			targets[n] = target(e, port)
		}
		at := slices.IndexFunc(out, func(sub agent.Subset) bool { return slices.Equal(sub.Ports, targets) })
		if at < 0 {
			at, out = len(out), append(out, agent.Subset{Ports: targets})
		}
		out[at].Pods = append(out[at].Pods, i)
	}
	return out
}

// target returns the endpoint's target port for a Service's port, 0 if it has none.
func target(e controller.Endpoint, port corev1.ServicePort) uint16 {
	for _, p := range e.Ports {
		if p.Port == port.Port && string(p.Protocol) == protocolOf(port.Protocol) {
			return uint16(p.Target)
		}
	}
	return 0
}

func (b *builder) hostPort(h Published) {
	out := agent.HostPort{Port: h.AgentPort, Protocol: protocolOf(h.Host.Protocol)}
	if h.Host.Service == "" {
		out.Ingress = true
	} else {
		out.Namespace, out.Service, out.ServicePort = namespaceOf(h.Host.Namespace), h.Host.Service, uint16(h.Host.Port)
	}
	b.table.HostPorts = append(b.table.HostPorts, out)
}

func protocolOf(p corev1.Protocol) string {
	if p == "" {
		return agent.TCP
	}
	return strings.ToUpper(string(p))
}

func namespaceOf(ns string) string {
	if ns == "" {
		return metav1.NamespaceDefault
	}
	return ns
}

// ProtocolName is a protocol in capitals; "" is TCP.
func ProtocolName(p string) string { return protocolOf(corev1.Protocol(p)) }
