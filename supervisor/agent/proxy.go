package agent

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sort"
	"sync"
	"time"
)

// frontKey is an address and port that the agent listens on for a Service.
type frontKey struct {
	at       netip.AddrPort
	protocol string
}

// poolKey is one port of one Service.
type poolKey struct {
	namespace, service string
	port               uint16
	protocol           string
}

func (k poolKey) String() string {
	return fmt.Sprintf("%s.%s:%d/%s", k.service, k.namespace, k.port, k.protocol)
}

// front is a listener that runs until closed.
type front interface {
	io.Closer
	Run(ctx context.Context) error
}

// openFront is a front and the name of its target.
type openFront struct {
	front
	leads string
}

// proxy owns the service addresses, the listeners on them and the pools behind them. A port without an endpoint has no listener,
// so that the kernel refuses connections at once. Where the kernel forwards a port itself (kernelPorts), no connection gets to
// its listener.
type proxy struct {
	log     *slog.Logger
	own     netip.Addr
	udpIdle time.Duration
	addrs   addresses
	dialer  *net.Dialer
	count   traffic
	room    *room
	ingress func(net.Listener) front

	// kernel forwards connections past the listeners; nil if it cannot. fallback is why it does not.
	kernel   kernelPath
	fallback string

	mu       sync.Mutex
	pools    map[poolKey]*pool
	fronts   map[frontKey]openFront
	vips     map[netip.Addr]bool
	draining bool
	// present is the index that is served, and held what keeps the kernel's flows by it.
	present *index
	held    map[frontKey]holding
	// outlet is a second address for host ports.
	outlet  outlet
	running sync.WaitGroup
}

func newProxy(cfg Config, ingress func(net.Listener) front) (*proxy, error) {
	p := &proxy{
		log: cfg.Log, own: cfg.Address, udpIdle: cfg.UDPIdle, addrs: cfg.addresses, ingress: ingress,
		dialer: &net.Dialer{KeepAliveConfig: keepAlive}, room: newRoom(cfg.openFiles, cfg.Log),
		pools: make(map[poolKey]*pool), fronts: make(map[frontKey]openFront), vips: make(map[netip.Addr]bool),
	}
	held, err := p.addrs.List()
	if err != nil {
		return nil, fmt.Errorf("cannot list addresses of the agent's interface: %w", err)
	}
	for _, a := range held {
		p.vips[a] = true
	}
	return p, nil
}

// apply makes the proxy serve the index. It returns the parts that cannot be served, one line each; the rest is served. Fronts
// run until they are closed or ctx ends.
func (p *proxy) apply(ctx context.Context, ix *index) (problems []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.serve(ctx, ix)
}

// useOutlet is apply with another outlet.
func (p *proxy) useOutlet(ctx context.Context, ix *index, o outlet) (problems []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.outlet = o
	return p.serve(ctx, ix)
}

// serve is apply, called with mu held.
func (p *proxy) serve(ctx context.Context, ix *index) (problems []string) {
	if p.draining {
		return []string{"the agent is stopping"}
	}
	p.applyPools(ix)
	problems = p.addAddresses(ix)
	problems = append(problems, p.accelerate(ix)...)
	want := p.wantedFronts(ix)
	for key, f := range p.fronts {
		if want[key] != f.leads {
			f.Close()
			delete(p.fronts, key)
		}
	}
	keys := make([]poolKey, 0, len(p.pools))
	for k := range p.pools {
		keys = append(keys, k)
	}
	byName := make(map[string]*pool, len(keys))
	for _, k := range keys {
		byName[k.String()] = p.pools[k]
	}
	for key, leads := range want {
		if _, open := p.fronts[key]; open {
			continue
		}
		if err := p.open(ctx, key, leads, byName[leads]); err != nil {
			problems = append(problems, fmt.Sprintf("cannot listen at %s/%s for %s: %v", key.at, key.protocol, leads, err))
		}
	}
	problems = append(problems, p.cut(ix)...)
	problems = append(problems, p.removeAddresses(ix)...)
	p.present = ix
	sort.Strings(problems)
	return problems
}

// applyPools updates the pools and closes those whose Service is gone.
func (p *proxy) applyPools(ix *index) {
	seen := make(map[poolKey]bool, len(p.pools))
	for i := range ix.table.Services {
		s := &ix.table.Services[i]
		if s.ExternalName != "" {
			continue
		}
		keeps := ix.keeps(s)
		for n, port := range s.Ports {
			key := poolKey{s.Namespace, s.Name, port.Port, port.Protocol}
			seen[key] = true
			if p.pools[key] == nil {
				p.pools[key] = new(pool)
			}
			p.pools[key].update(ix.targets(s, n), s.affinity(), keeps)
		}
	}
	for key, gone := range p.pools {
		if !seen[key] {
			gone.close()
			delete(p.pools, key)
		}
	}
}

// ingressName is the target name of fronts that lead to the ingress rules. It is not a valid pool name.
const ingressName = "ingress"

// wantedFronts returns where to listen, and for which pool (by name).
func (p *proxy) wantedFronts(ix *index) map[frontKey]string {
	want := make(map[frontKey]string)
	add := func(key frontKey, to poolKey) {
		if pl := p.pools[to]; pl != nil && !pl.empty() {
			want[key] = to.String()
		}
	}
	for i := range ix.table.Services {
		s := &ix.table.Services[i]
		if !s.VIP.IsValid() {
			continue
		}
		for _, port := range s.Ports {
			at := netip.AddrPortFrom(s.VIP, port.Port)
			add(frontKey{at, port.Protocol}, poolKey{s.Namespace, s.Name, port.Port, port.Protocol})
		}
	}
	for _, h := range ix.table.HostPorts {
		for _, host := range []netip.Addr{p.own, p.outlet.addr} {
			key := frontKey{netip.AddrPortFrom(host, h.Port), h.Protocol}
			switch {
			case !host.IsValid():
			case h.Ingress:
				want[key] = ingressName
			default:
				add(key, poolKey{h.Namespace, h.Service, h.ServicePort, h.Protocol})
			}
		}
	}
	return want
}

func (p *proxy) open(ctx context.Context, key frontKey, leads string, to *pool) error {
	var f front
	admits := func(netip.Addr) bool { return true }
	if key.at.Addr() == p.outlet.addr {
		admits = p.outlet.admits
	}
	if key.protocol == UDP {
		conn, err := listenUDP(key.at)
		if err != nil {
			return err
		}
		f = &udpFront{conn: conn, admits: admits, pool: to, idle: p.udpIdle, count: &p.count, flows: make(map[netip.AddrPort]*udpFlow)}
	} else {
		l, err := listenTCP(key.at)
		if err != nil {
			return err
		}
		if leads == ingressName {
			f = p.ingress(gate{l, admits})
		} else {
			f = &tcpFront{listener: l, admits: admits, pool: to, dialer: p.dialer, count: &p.count, room: p.room, settled: p.settled}
		}
	}
	p.fronts[key] = openFront{f, leads}
	p.running.Go(func() {
		if err := f.Run(ctx); err != nil {
			p.log.Error("listener ended", "address", key.at.String(), "error", err)
		}
	})
	return nil
}

func (p *proxy) addAddresses(ix *index) (problems []string) {
	for addr, s := range ix.vips {
		if p.vips[addr] {
			continue
		}
		if addr == p.own {
			problems = append(problems, fmt.Sprintf("cannot add address %s of service %s: it is the agent's own", addr, s.Name))
			continue
		}
		if err := p.addrs.Add(addr); err != nil {
			problems = append(problems, fmt.Sprintf("cannot add address %s of service %s: %v", addr, s.Name, err))
			continue
		}
		p.vips[addr] = true
	}
	return problems
}

func (p *proxy) removeAddresses(ix *index) (problems []string) {
	for addr := range p.vips {
		if ix.vips[addr] != nil {
			continue
		}
		if err := p.addrs.Remove(addr); err != nil {
			problems = append(problems, fmt.Sprintf("cannot remove address %s: %v", addr, err))
			continue
		}
		delete(p.vips, addr)
	}
	return problems
}

// pool returns the pool of a Service's TCP port, or nil.
func (p *proxy) pool(namespace, service string, port uint16) *pool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pools[poolKey{namespace, service, port, TCP}]
}

// stop ends the serving of new connections for good. Established connections stay open until ctx ends, the context of apply.
func (p *proxy) stop(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.draining = true
	if p.kernel != nil && p.fallback == "" {
		if err := p.kernel.Apply(nil); err != nil {
			p.log.Warn("cannot take the service addresses from the kernel", "error", err)
		}
	}
	for key, f := range p.fronts {
		f.Close()
		delete(p.fronts, key)
	}
	if p.kernel != nil {
		p.running.Go(func() { p.drain(ctx.Done()) })
	}
}

// enter registers a connection for wait; the caller must call running.Done when it has ended. It returns false if the proxy is
// stopping.
func (p *proxy) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.draining {
		return false
	}
	p.running.Add(1)
	return true
}

// wait blocks until all fronts and connections have ended.
func (p *proxy) wait() { p.running.Wait() }

// release removes the service addresses from the interface and from the kernel.
func (p *proxy) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kernel != nil {
		if err := p.kernel.Close(); err != nil {
			p.log.Warn("cannot remove the nftables table", "error", err)
		}
	}
	for addr := range p.vips {
		if err := p.addrs.Remove(addr); err != nil {
			p.log.Warn("cannot remove address", "address", addr.String(), "error", err)
		}
		delete(p.vips, addr)
	}
}
