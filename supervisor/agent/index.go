package agent

import (
	"net/netip"
	"strings"
	"sync"
	"time"
)

// index is a table prepared for lookups. It is immutable.
type index struct {
	table    *Table
	services map[string]*Service // by "name.namespace"
	// named are Services by further names.
	named      map[string]*Service
	namespaces map[string]bool
	vips       map[netip.Addr]*Service
	pods       map[podKey]bool

	reverseOnce sync.Once
	reverse     map[netip.Addr][]string // endpoint names of an address, without the zone
}

// podKey identifies a pod, including its UID.
type podKey struct {
	addr netip.Addr
	uid  string
}

func (p *Pod) key() podKey { return podKey{p.Address, p.UID} }

// endpoint is one pod as a Service sees it.
type endpoint struct {
	pod   *Pod
	ports []uint16
	// ready and serving are R121's, with publishNotReadyAddresses applied (R123).
	ready, serving bool
}

func newIndex(t *Table) *index {
	ix := &index{
		table:      t,
		services:   make(map[string]*Service, len(t.Services)),
		named:      map[string]*Service{},
		namespaces: map[string]bool{namespace: true},
		vips:       make(map[netip.Addr]*Service, len(t.Services)),
		pods:       make(map[podKey]bool, len(t.Pods)),
	}
	for i := range t.Services {
		s := &t.Services[i]
		ix.services[s.Name+"."+s.Namespace] = s
		ix.namespaces[s.Namespace] = true
		for _, name := range s.Names {
			ix.named[name] = s
		}
		if s.VIP.IsValid() {
			ix.vips[s.VIP] = s
		}
	}
	for i := range t.Pods {
		ix.pods[t.Pods[i].key()] = true
	}
	return ix
}

// service finds a Service by its name, or else by a further name; nil if there is none.
func (ix *index) service(ns, name string) *Service {
	if s := ix.services[name+"."+ns]; s != nil {
		return s
	}
	if s := ix.named[name]; s != nil && s.Namespace == ns {
		return s
	}
	return nil
}

// endpoints yields every endpoint of s, ready or not.
func (ix *index) endpoints(s *Service, yield func(endpoint) bool) {
	for i := range s.Subsets {
		sub := &s.Subsets[i]
		for _, n := range sub.Pods {
			p := &ix.table.Pods[n]
			e := endpoint{pod: p, ports: sub.Ports, serving: p.Ready, ready: p.Ready && !p.Terminating}
			if s.PublishNotReady {
				e.ready = true
			}
			if !yield(e) {
				return
			}
		}
	}
}

// keeps returns which pods keep their connections of s: those that exist. If s follows a role, only those that it selects, ready or
// not; but while it selects none at all, nobody has taken the role over, and existing pods keep theirs.
func (ix *index) keeps(s *Service) func(podKey) bool {
	if !s.FollowsRole {
		return func(k podKey) bool { return ix.pods[k] }
	}
	selected := map[podKey]bool{}
	ix.endpoints(s, func(e endpoint) bool {
		selected[e.pod.key()] = true
		return true
	})
	if len(selected) == 0 {
		return func(k podKey) bool { return ix.pods[k] }
	}
	return func(k podKey) bool { return selected[k] }
}

// wantedTarget is one address that a port of a Service may be sent to.
type wantedTarget struct {
	key targetKey
	pod string
}

// targets are the addresses that new connections to the i-th port of s may go to: the ready endpoints, and only if
// there are none, those that serve while they terminate (R122). With PreferReady they are the endpoints of pods that are Ready,
// else all that do not terminate, else all.
func (ix *index) targets(s *Service, i int) []wantedTarget {
	size := 0
	for _, sub := range s.Subsets {
		size += len(sub.Pods)
	}
	ready := make([]wantedTarget, 0, size)
	var leaving, starting []wantedTarget
	ix.endpoints(s, func(e endpoint) bool {
		if e.ports[i] == 0 || !(e.ready || e.serving) {
			return true
		}
		w := wantedTarget{targetKey{netip.AddrPortFrom(e.pod.Address, e.ports[i]), e.pod.UID}, e.pod.Name}
		switch {
		case s.PreferReady && e.pod.Terminating:
			leaving = append(leaving, w)
		case s.PreferReady && !e.serving:
			starting = append(starting, w)
		case e.ready:
			ready = append(ready, w)
		default:
			leaving = append(leaving, w)
		}
		return true
	})
	for _, list := range [][]wantedTarget{ready, starting} {
		if len(list) > 0 {
			return list
		}
	}
	return leaving
}

// endpointName is an endpoint's own label under its Service: the hostname where it has one there (R124), else its
// address with dashes.
func endpointName(s *Service, p *Pod) string {
	if hasHostname(s, p) {
		return p.Hostname
	}
	return strings.ReplaceAll(p.Address.String(), ".", "-")
}

func hasHostname(s *Service, p *Pod) bool { return p.Hostname != "" && p.Subdomain == s.Name }

// names are what an address is called: its Service, or its named endpoints; without the zone.
func (ix *index) names(addr netip.Addr) []string {
	if s := ix.vips[addr]; s != nil {
		return []string{s.Name + "." + s.Namespace + ".svc."}
	}
	ix.reverseOnce.Do(func() {
		ix.reverse = make(map[netip.Addr][]string)
		for i := range ix.table.Services {
			s := &ix.table.Services[i]
			ix.endpoints(s, func(e endpoint) bool {
				if e.ready && hasHostname(s, e.pod) {
					name := e.pod.Hostname + "." + s.Name + "." + s.Namespace + ".svc."
					ix.reverse[e.pod.Address] = append(ix.reverse[e.pod.Address], name)
				}
				return true
			})
		}
	})
	return ix.reverse[addr]
}

// now is the only source of time in this package's decisions.
func now() time.Time { return time.Now() }
