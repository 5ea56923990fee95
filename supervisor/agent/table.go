package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"
)

// TableFormat is the version of the wire format below. An agent refuses a table of any other format.
const TableFormat = 1

// MaxTableBytes bounds the JSON of one table.
const MaxTableBytes = 16 << 20

// Protocols of a port.
const (
	TCP = "TCP"
	UDP = "UDP"
)

// Table is everything the agent serves. It is always pushed as a whole and replaces the previous one. Services refer to pods by
// index, which keeps tables of many Services small.
type Table struct {
	// Format is TableFormat.
	Format int `json:"format"`
	// Version orders tables: the agent refuses one older than its current table. Client.Push sets it if it is 0.
	Version  int64     `json:"version"`
	Pods     []Pod     `json:"pods,omitempty"`
	Services []Service `json:"services,omitempty"`
	// HostPorts are the ports of the agent's own address that Docker publishes on the host.
	HostPorts []HostPort `json:"hostPorts,omitempty"`
	// Ingress are the rules behind every HostPort with Ingress set, in no order: the most specific rule wins.
	Ingress []IngressRule `json:"ingress,omitempty"`
	// DockerNames is true if the project's network has containers of plain Compose services: names of one label that the table
	// does not have are then looked up by Docker's name server.
	DockerNames bool `json:"dockerNames,omitempty"`
}

// Pod is one pod that has an address. Pods that ended (Succeeded, Failed) are not in a table (R122).
type Pod struct {
	Name string `json:"name"`
	// UID distinguishes a pod from a later one with the same name and address. Connections to a pod that is gone are closed.
	UID     string     `json:"uid,omitempty"`
	Address netip.Addr `json:"address"`
	// Hostname and Subdomain are spec.hostname and spec.subdomain: an endpoint has a name of its own in the Service that
	// Subdomain names (R124).
	Hostname  string `json:"hostname,omitempty"`
	Subdomain string `json:"subdomain,omitempty"`
	// Ready is the pod's Ready condition, "serving" in endpoint terms; Terminating says it has a deletionTimestamp (R121).
	Ready       bool `json:"ready,omitempty"`
	Terminating bool `json:"terminating,omitempty"`
}

// Service is one Service. It has a VIP (ClusterIP, NodePort, LoadBalancer), or an ExternalName, or neither (headless).
type Service struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Names are further DNS names, in lower case and without a trailing dot: one label in the namespace, or a full name.
	Names []string   `json:"names,omitempty"`
	VIP   netip.Addr `json:"vip,omitzero"`
	// ExternalName is the target of the CNAME, without a trailing dot.
	ExternalName string        `json:"externalName,omitempty"`
	Ports        []ServicePort `json:"ports,omitempty"`
	// AffinitySeconds is the ClientIP affinity's timeout, 0 for no affinity (R129).
	AffinitySeconds int `json:"affinitySeconds,omitempty"`
	// PublishNotReady counts every endpoint as ready (R123).
	PublishNotReady bool `json:"publishNotReady,omitempty"`
	// PreferReady sends host ports to the endpoints whose pods are Ready as long as there is one, although PublishNotReady counts
	// all as ready. Services of plain Compose services have it.
	PreferReady bool `json:"preferReady,omitempty"`
	// FollowsRole is true if the Service selects on a role (services.RoleLabel). Once it selects another pod, connections to a pod
	// that it no longer selects are reset, although that pod still exists: its clients would otherwise stay with, for example, a
	// former master. As in Kubernetes, a pod that is only not ready keeps its connections.
	FollowsRole bool `json:"followsRole,omitempty"`
	// Subsets are the selected pods, grouped by what the target ports resolve to.
	Subsets []Subset `json:"subsets,omitempty"`
}

// ServicePort is one port of a Service. Name may be empty if it is the only one.
type ServicePort struct {
	Name     string `json:"name,omitempty"`
	Protocol string `json:"protocol"`
	Port     uint16 `json:"port"`
}

// Subset is pods that share their target ports.
type Subset struct {
	// Pods are indexes into Table.Pods.
	Pods Indexes `json:"pods"`
	// Ports are the target ports, in the order of Service.Ports; 0 where the pods have none (a named port they lack).
	Ports []uint16 `json:"ports,omitempty"`
}

// Indexes are indexes into Table.Pods. They make up most of a large table, so they are parsed without reflection, which would
// take as long as the rest of a push.
type Indexes []int

// UnmarshalJSON reads an array of whole numbers from 0 to 999999999.
func (x *Indexes) UnmarshalJSON(raw []byte) error {
	if string(raw) == "null" {
		return nil
	}
	if len(raw) < 2 || raw[0] != '[' {
		return fmt.Errorf("pods are an array of indexes, not %.20q", raw)
	}
	out := make(Indexes, 0, bytes.Count(raw, []byte{','})+1)
	n, digits := 0, 0
	for _, c := range raw[1:] {
		switch {
		case c >= '0' && c <= '9' && digits < 9:
			n, digits = n*10+int(c-'0'), digits+1
		case (c == ',' || c == ']') && digits > 0:
			out = append(out, n)
			n, digits = 0, 0
		case c == ']' && len(out) == 0:
		case c == ' ' || c == '\n' || c == '\t' || c == '\r':
		default:
			return fmt.Errorf("pods are an array of indexes, not %.20q", raw)
		}
	}
	*x = out
	return nil
}

// HostPort is one port of the agent's own address. It leads to a Service's port, or to the ingress rules.
type HostPort struct {
	Port     uint16 `json:"port"`
	Protocol string `json:"protocol"`
	// Namespace, Service and ServicePort name the target, unless Ingress is set.
	Namespace   string `json:"namespace,omitempty"`
	Service     string `json:"service,omitempty"`
	ServicePort uint16 `json:"servicePort,omitempty"`
	Ingress     bool   `json:"ingress,omitempty"`
}

// IngressRule sends requests of one host and path to a Service.
type IngressRule struct {
	// Host is exact, "*.example.test" for one label in front, or "" for hosts that no other rule names.
	Host string `json:"host,omitempty"`
	// Path is matched by PathType: "Exact" or "Prefix" (by path elements). An empty Path is the default backend, used if no other
	// rule of the host matches.
	Path     string `json:"path,omitempty"`
	PathType string `json:"pathType,omitempty"`

	Namespace   string `json:"namespace"`
	Service     string `json:"service"`
	ServicePort uint16 `json:"servicePort"`
}

// DecodeTable parses one table strictly: unknown fields, trailing data, more than MaxTableBytes, and errors of Validate are
// errors.
func DecodeTable(r io.Reader) (*Table, error) {
	raw, err := io.ReadAll(io.LimitReader(r, MaxTableBytes+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read table: %w", err)
	}
	return decodeTable(raw)
}

func decodeTable(raw []byte) (*Table, error) {
	if len(raw) > MaxTableBytes {
		return nil, fmt.Errorf("cannot decode table: more than %d bytes", MaxTableBytes)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	t := new(Table)
	if err := dec.Decode(t); err != nil {
		return nil, fmt.Errorf("cannot decode table: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("cannot decode table: data after the table")
	}
	if err := t.Validate(); err != nil {
		return nil, err
	}
	return t, nil
}

// Validate returns an error that lists everything in the table that the agent cannot serve.
func (t *Table) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if t.Format != TableFormat {
		bad("format is %d, this agent supports %d", t.Format, TableFormat)
	}
	for i, p := range t.Pods {
		if !p.Address.Is4() {
			bad("pods[%d] %s: address %q is not IPv4", i, p.Name, p.Address)
		}
		if p.Hostname != "" && !isLabel(p.Hostname) {
			bad("pods[%d] %s: hostname %q is not a DNS label", i, p.Name, p.Hostname)
		}
	}
	t.validateServices(bad)
	t.validateFronts(bad)
	if len(errs) > 0 {
		return fmt.Errorf("cannot use table: %w", errors.Join(errs...))
	}
	return nil
}

func (t *Table) validateServices(bad func(string, ...any)) {
	names, vips := make(map[string]bool, len(t.Services)), make(map[netip.Addr]string, len(t.Services))
	for i := range t.Services {
		s := &t.Services[i]
		id := s.Namespace + "/" + s.Name
		if !isLabel(s.Name) || !isLabel(s.Namespace) {
			bad("service %q: namespace and name must be DNS labels", id)
		}
		if names[id] {
			bad("service %s: declared twice", id)
		}
		names[id] = true
		if s.VIP.IsValid() {
			if !s.VIP.Is4() {
				bad("service %s: address %s is not IPv4", id, s.VIP)
			}
			if other, taken := vips[s.VIP]; taken {
				bad("service %s: address %s is also that of %s", id, s.VIP, other)
			}
			if s.ExternalName != "" {
				bad("service %s: has both an address and an external name", id)
			}
			vips[s.VIP] = id
		}
		if s.AffinitySeconds < 0 || s.AffinitySeconds > 86400 {
			bad("service %s: affinity of %d s is not in 0..86400", id, s.AffinitySeconds)
		}
		t.validatePorts(id, s, bad)
	}
}

func (t *Table) validatePorts(id string, s *Service, bad func(string, ...any)) {
	for i, p := range s.Ports {
		if p.Port == 0 || (p.Protocol != TCP && p.Protocol != UDP) {
			bad("service %s: port %d/%s cannot be served", id, p.Port, p.Protocol)
		}
		for _, q := range s.Ports[:i] {
			if q.Port == p.Port && q.Protocol == p.Protocol {
				bad("service %s: port %d/%s declared twice", id, p.Port, p.Protocol)
			}
		}
	}
	for _, sub := range s.Subsets {
		if len(sub.Ports) != len(s.Ports) {
			bad("service %s: a subset has %d target ports for %d ports", id, len(sub.Ports), len(s.Ports))
		}
		for _, n := range sub.Pods {
			if n < 0 || n >= len(t.Pods) {
				bad("service %s: no pod %d", id, n)
			}
		}
	}
}

func (t *Table) validateFronts(bad func(string, ...any)) {
	for i, h := range t.HostPorts {
		if h.Port == 0 || (h.Protocol != TCP && h.Protocol != UDP) {
			bad("host port %d/%s cannot be served", h.Port, h.Protocol)
		}
		if h.Ingress && h.Protocol != TCP {
			bad("host port %d/%s: ingress is TCP", h.Port, h.Protocol)
		}
		for _, o := range t.HostPorts[:i] {
			if o.Port == h.Port && o.Protocol == h.Protocol {
				bad("host port %d/%s declared twice", h.Port, h.Protocol)
			}
		}
	}
	for _, r := range t.Ingress {
		if r.Path != "" && (!strings.HasPrefix(r.Path, "/") || (r.PathType != "Exact" && r.PathType != "Prefix")) {
			bad("ingress %s%s: path type %q, the path must begin with /", r.Host, r.Path, r.PathType)
		}
	}
}

// isLabel says whether s is an RFC 1123 DNS label in lower case.
func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

func (s *Service) affinity() time.Duration { return time.Duration(s.AffinitySeconds) * time.Second }
