package agent

import (
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"time"
)

// The ways in which connections to service addresses and host ports reach an endpoint.
const (
	// DatapathNFTables means that the kernel rewrites the addresses of packets by nftables, as kube-proxy's nftables mode does.
	DatapathNFTables = "nftables"
	// DatapathUserland means that the agent accepts every connection and copies the data.
	DatapathUserland = "userland"
)

// DatapathVariable is the environment variable with the data path that people want.
const DatapathVariable = "LYANDEV_DATAPATH"

// WantedDatapath returns the data path of DatapathVariable (getenv is os.Getenv), "" if the agent is to choose. The error is for
// other values than DatapathNFTables and DatapathUserland.
func WantedDatapath(getenv func(string) string) (string, error) {
	switch v := getenv(DatapathVariable); v {
	case "", DatapathNFTables, DatapathUserland:
		return v, nil
	default:
		return "", fmt.Errorf("cannot use %s=%s: set it to %s or %s, or leave it out", DatapathVariable, v, DatapathNFTables, DatapathUserland)
	}
}

// kernelPort is one port that the kernel forwards.
type kernelPort struct {
	affinity time.Duration
	targets  []targetKey
}

// flow is one connection, or UDP flow, that the kernel forwards or delivers to the agent.
type flow struct {
	protocol string
	// client and at are the addresses that the client sees, own and target those that the endpoint sees. target is at if the
	// kernel delivers the flow to the agent itself.
	client, at, own, target netip.AddrPort
	// open is true unless the connection has ended or was never established.
	open bool
}

// query narrows the flows that are looked at, whatever is set: the protocol, the address that clients see, the endpoint's address,
// and whether the kernel forwards the flow by this agent's rules. An agent may have passed on many thousand short connections in
// the last minutes, all of which the kernel still knows.
type query struct {
	protocol   string
	at, target netip.Addr
	marked     bool
}

// kernelPath is the data path in the kernel. Its methods are called one at a time, except Flows.
type kernelPath interface {
	// Apply makes the kernel forward new connections to these ports and to no others, in one transaction. Established connections
	// stay with their endpoints. After an error nothing has changed.
	Apply(map[frontKey]kernelPort) error
	// Cut forgets the flows of the queries for which match returns true, and resets their connections at both ends in the
	// background. A flow may fit several queries, and match may be called with flows that fit none.
	Cut(queries []query, match func(flow) bool) error
	// Flows returns the flows that the kernel forwards, and the number of connections that were forwarded so far.
	Flows() ([]flow, int64, error)
	// Close removes all that Apply added.
	Close() error
}

// openKernel uses the kernel's data path if it can be had, and notes why not.
func (p *proxy) openKernel(cfg Config) {
	if cfg.Datapath == DatapathUserland {
		return
	}
	kernel, err := openKernel(cfg)
	if err != nil {
		p.fallback = err.Error()
		p.log.Warn("the agent forwards all connections itself: the kernel cannot", "error", err)
		return
	}
	p.kernel = kernel
	p.log.Info("the kernel forwards connections", "by", DatapathNFTables)
}

// datapath is how connections reach endpoints now, and why not by the kernel if it was asked for.
func (p *proxy) datapath() (path, fallback string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kernel == nil || p.fallback != "" {
		return DatapathUserland, p.fallback
	}
	return DatapathNFTables, ""
}

// addKernel adds what the kernel knows to the counters, and returns its open flows by port and endpoint. Called with mu held.
func (p *proxy) addKernel(s *Stats) map[poolKey]map[string]int {
	if p.kernel == nil {
		return nil
	}
	flows, total, err := p.kernel.Flows()
	if err != nil {
		s.Problems = append(s.Problems, err.Error())
		return nil
	}
	s.Connections += total
	active := map[poolKey]map[string]int{}
	for _, f := range flows {
		if !f.open || !p.forwards(f) {
			continue
		}
		s.Open++
		port := p.held[frontKey{f.at, f.protocol}].pool
		if active[port] == nil {
			active[port] = map[string]int{}
		}
		active[port][f.target.String()]++
	}
	return active
}

// kernelPorts are the ports that the kernel can forward now. Ports with endpoints that may refuse connections (see pool.settled),
// host ports that lead to the ingress rules, and those at the outlet stay with the agent's listeners, which serve all ports
// anyway.
func (p *proxy) kernelPorts(ix *index) map[frontKey]kernelPort {
	ports := make(map[frontKey]kernelPort)
	add := func(at netip.AddrPort, to poolKey) {
		pl := p.pools[to]
		if pl == nil {
			return
		}
		if port, ok := pl.kernelPort(to.protocol == UDP); ok {
			ports[frontKey{at, to.protocol}] = port
		}
	}
	for i := range ix.table.Services {
		s := &ix.table.Services[i]
		if !s.VIP.IsValid() || !p.vips[s.VIP] {
			continue
		}
		for _, port := range s.Ports {
			add(netip.AddrPortFrom(s.VIP, port.Port), poolKey{s.Namespace, s.Name, port.Port, port.Protocol})
		}
	}
	for _, h := range ix.table.HostPorts {
		if !h.Ingress {
			add(netip.AddrPortFrom(p.own, h.Port), poolKey{h.Namespace, h.Service, h.ServicePort, h.Protocol})
		}
	}
	return ports
}

// accelerate gives the kernel the ports that it can forward. If the kernel refuses, the agent's listeners serve all ports from
// then on.
func (p *proxy) accelerate(ix *index) (problems []string) {
	if p.kernel == nil || p.fallback != "" {
		return nil
	}
	err := p.kernel.Apply(p.kernelPorts(ix))
	if err == nil {
		return nil
	}
	p.log.Error("the kernel refused a change of the service addresses; connections are forwarded by the agent from now on", "error", err)
	if clear := p.kernel.Apply(nil); clear != nil {
		return []string{"cannot change service addresses in the kernel: " + err.Error() + "; they lead to old endpoints"}
	}
	p.fallback = err.Error()
	return nil
}

// settled gives the kernel, in the background, the ports of a pool that has become settled.
func (p *proxy) settled() {
	if p.kernel == nil || !p.enter() {
		return
	}
	go func() {
		defer p.running.Done()
		p.reaccelerate()
	}()
}

func (p *proxy) reaccelerate() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.draining || p.present == nil {
		return
	}
	for _, problem := range p.accelerate(p.present) {
		p.log.Warn("parts of the table cannot be served", "problem", problem)
	}
}

// holding says which endpoints keep the flows of one port.
type holding struct {
	pool poolKey
	// pods are the addresses of the pods that keep TCP connections, nil for all that exist.
	pods map[netip.Addr]bool
	// targets are the addresses that keep UDP flows.
	targets map[netip.AddrPort]bool
}

// keeps says whether a flow of the port goes on.
func (h holding) keeps(f flow) bool {
	if f.protocol == UDP {
		return h.targets[f.target]
	}
	return h.pods == nil || h.pods[f.target.Addr()]
}

// holdings are the present table's ports with what keeps their flows.
func (p *proxy) holdings(ix *index) map[frontKey]holding {
	all := make(map[frontKey]holding)
	add := func(at netip.AddrPort, protocol string, s *Service, n int) {
		h := holding{pool: poolKey{s.Namespace, s.Name, s.Ports[n].Port, protocol}}
		if protocol == UDP {
			h.targets = make(map[netip.AddrPort]bool)
			for _, w := range ix.targets(s, n) {
				h.targets[w.key.addr] = true
			}
		} else if s.FollowsRole {
			h.pods = make(map[netip.Addr]bool)
			keeps := ix.keeps(s)
			for key := range ix.pods {
				if keeps(key) {
					h.pods[key.addr] = true
				}
			}
		}
		all[frontKey{at, protocol}] = h
	}
	for i := range ix.table.Services {
		s := &ix.table.Services[i]
		for n, port := range s.Ports {
			if s.VIP.IsValid() {
				add(netip.AddrPortFrom(s.VIP, port.Port), port.Protocol, s, n)
			}
		}
	}
	for _, h := range ix.table.HostPorts {
		s := ix.services[h.Service+"."+h.Namespace]
		if h.Ingress || s == nil {
			continue
		}
		for n, port := range s.Ports {
			if port.Port == h.ServicePort && port.Protocol == h.Protocol {
				add(netip.AddrPortFrom(p.own, h.Port), h.Protocol, s, n)
			}
		}
	}
	return all
}

// cut ends the flows in the kernel that the change from the present table to ix ends: those of pods and ports that are gone, UDP
// flows to endpoints that are not ready, and connections to pods that have lost a role.
func (p *proxy) cut(ix *index) (problems []string) {
	before, after := p.held, p.holdings(ix)
	gone := map[netip.Addr]bool{}
	if p.present != nil {
		for key := range p.present.pods {
			if !ix.pods[key] {
				gone[key.addr] = true
			}
		}
	}
	p.held = after
	if p.kernel == nil {
		return nil
	}
	err := p.kernel.Cut(affected(before, after, gone), func(f flow) bool {
		key := frontKey{f.at, f.protocol}
		h, served := after[key]
		_, was := before[key]
		forwarded := f.target != f.at
		switch {
		case !served:
			return was && forwarded
		case forwarded && gone[f.target.Addr()]:
			return true
		}
		return (forwarded || f.protocol == UDP) && !h.keeps(f)
	})
	if err != nil {
		return []string{"cannot end connections to endpoints that are gone: " + err.Error()}
	}
	return nil
}

// affected are the queries for the flows that a change may end.
func affected(before, after map[frontKey]holding, gone map[netip.Addr]bool) []query {
	all := map[query]bool{}
	for addr := range gone {
		all[query{target: addr}] = true
	}
	for key, h := range before {
		if !reflect.DeepEqual(h, after[key]) {
			all[query{protocol: key.protocol, at: key.at.Addr()}] = true
		}
	}
	for key := range after {
		// Clients that sent datagrams while nobody served the port are known to the kernel as clients of the agent.
		if _, was := before[key]; !was && key.protocol == UDP {
			all[query{protocol: UDP, at: key.at.Addr()}] = true
		}
	}
	return slices.Collect(maps.Keys(all))
}

// drain blocks until the kernel forwards no open connection, or done is closed; then it resets those that are left. The kernel
// forwards no new ones from the start.
func (p *proxy) drain(done <-chan struct{}) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		flows, _, err := p.kernel.Flows()
		open := false
		for _, f := range flows {
			open = open || f.open && f.protocol == TCP && p.forwards(f)
		}
		if err != nil || !open {
			return
		}
		select {
		case <-tick.C:
			continue
		case <-done:
		}
		if err := p.kernel.Cut([]query{{marked: true}}, p.forwards); err != nil {
			p.log.Warn("cannot end the connections", "error", err)
		}
		return
	}
}

// forwards says whether the kernel forwards a flow for a port of the present table.
func (p *proxy) forwards(f flow) bool {
	_, ours := p.held[frontKey{f.at, f.protocol}]
	return ours && f.target != f.at
}
