package enginefake

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/lyandev/lyandev/supervisor/engine"
)

type netRecord struct {
	id, driver string
	spec       engine.NetworkSpec
	// used are the addresses in use, by the container's ID.
	used map[string]netip.Addr
}

func (e *Engine) addBuiltinNetworks() {
	for name, subnet := range map[string]netip.Prefix{
		"bridge": netip.MustParsePrefix("172.17.0.0/16"), "host": {}, "none": {},
	} {
		n := &netRecord{id: e.id(), driver: name, spec: engine.NetworkSpec{Name: name, Subnet: subnet}, used: map[string]netip.Addr{}}
		if name == "none" {
			n.driver = "null"
		}
		if subnet.IsValid() {
			n.spec.Gateway = subnet.Addr().Next()
		}
		e.networks[n.id] = n
	}
}

func (e *Engine) findNetwork(ref string) *netRecord {
	if n := e.networks[ref]; n != nil {
		return n
	}
	for _, n := range e.networks {
		if n.spec.Name == ref {
			return n
		}
	}
	return nil
}

// CreateNetwork implements engine.Networks.
func (e *Engine) CreateNetwork(ctx context.Context, spec engine.NetworkSpec) (string, error) {
	var id string
	err := e.call(ctx, "CreateNetwork", spec.Name, func() error {
		if e.findNetwork(spec.Name) != nil {
			return errConflict("network with name %s already exists", spec.Name)
		}
		for _, n := range e.networks {
			if n.spec.Subnet.IsValid() && n.spec.Subnet.Overlaps(spec.Subnet) {
				return errForbidden("Pool overlaps with other one on this address space")
			}
		}
		spec.Labels = maps.Clone(spec.Labels)
		if !spec.IPRange.IsValid() {
			spec.IPRange = spec.Subnet
		}
		n := &netRecord{id: e.id(), driver: "bridge", spec: spec, used: map[string]netip.Addr{}}
		if !spec.Gateway.IsValid() {
			n.spec.Gateway, _ = n.free()
		}
		e.networks[n.id] = n
		id = n.id
		return nil
	})
	return id, wrap(err, "create network %s (%s)", spec.Name, spec.Subnet)
}

// RemoveNetwork implements engine.Networks.
func (e *Engine) RemoveNetwork(ctx context.Context, id string) error {
	err := e.call(ctx, "RemoveNetwork", id, func() error {
		n := e.findNetwork(id)
		switch {
		case n == nil:
			return nil
		case n.driver != "bridge" || n.spec.Name == "bridge":
			return errForbidden("%s is a pre-defined network and cannot be removed", n.spec.Name)
		case len(n.used) > 0:
			return errForbidden("error while removing network: network %s id %s has active endpoints", n.spec.Name, n.id)
		}
		delete(e.networks, n.id)
		return nil
	})
	return wrap(err, "remove network %s", short(id))
}

// ListNetworks implements engine.Networks.
func (e *Engine) ListNetworks(ctx context.Context, labels map[string]string) ([]engine.Network, error) {
	out := []engine.Network{}
	err := e.call(ctx, "ListNetworks", "", func() error {
		for _, id := range slices.Sorted(maps.Keys(e.networks)) {
			n := e.networks[id]
			if !matches(n.spec.Labels, labels) {
				continue
			}
			o := engine.Network{ID: n.id, Name: n.spec.Name, Driver: n.driver, Labels: maps.Clone(n.spec.Labels)}
			if n.spec.Subnet.IsValid() {
				o.Subnets = []netip.Prefix{n.spec.Subnet}
			}
			if labels != nil {
				o.Containers = slices.Sorted(maps.Keys(n.used))
			}
			out = append(out, o)
		}
		return nil
	})
	if err != nil {
		return nil, wrap(err, "list networks")
	}
	return out, nil
}

// ConnectNetwork implements engine.Networks.
func (e *Engine) ConnectNetwork(ctx context.Context, network, ref string, ip netip.Addr, aliases []string) error {
	err := e.call(ctx, "ConnectNetwork", network, func() error {
		c, err := e.need(ref)
		if err != nil {
			return err
		}
		n := e.findNetwork(network)
		if n == nil {
			return errNotFound("network %s not found", network)
		}
		if _, on := c.networks[n.spec.Name]; on && c.alive() {
			return errForbidden("endpoint with name %s already exists in network %s", c.name, n.spec.Name)
		}
		a := &attachment{static: ip, aliases: slices.Clone(aliases)}
		if c.alive() {
			if err := n.join(c, a); err != nil {
				return err
			}
		}
		c.networks[n.spec.Name] = a
		return nil
	})
	return wrap(err, "connect container %s to network %s", short(ref), network)
}

// DisconnectNetwork implements engine.Networks.
func (e *Engine) DisconnectNetwork(ctx context.Context, network, ref string) error {
	err := e.call(ctx, "DisconnectNetwork", network, func() error {
		n := e.findNetwork(network)
		if n == nil {
			return errNotFound("network %s not found", network)
		}
		c, err := e.need(ref)
		if err != nil {
			return err
		}
		if _, on := c.networks[n.spec.Name]; !on {
			if c.alive() {
				return errInternal("container %s is not connected to network %s", c.id, n.spec.Name)
			}
			return errForbidden("container %s is not connected to the network %s", c.id, n.spec.Name)
		}
		delete(c.networks, n.spec.Name)
		delete(n.used, c.id)
		return nil
	})
	return wrap(err, "disconnect container %s from network %s", short(ref), network)
}

// attach gives a container that starts its addresses and ports, or says why not; detach takes them back. e.mu is held.
func (e *Engine) attach(c *container) error {
	if ref := c.spec.NetworkContainer; ref != "" {
		other, err := e.need(ref)
		if err != nil {
			return err
		}
		if !other.alive() {
			return errConflict("cannot join network of a non running container: %s", other.id)
		}
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(c.networks)) {
		n := e.findNetwork(name)
		if n == nil {
			return errNotFound("network %s not found", name)
		}
		if err := n.join(c, c.networks[name]); err != nil {
			return err
		}
	}
	return e.bind(c)
}

func (e *Engine) detach(c *container) {
	for _, a := range c.networks {
		a.ip = netip.Addr{}
	}
	for _, n := range e.networks {
		delete(n.used, c.id)
	}
	c.ports = nil
}

func (n *netRecord) join(c *container, a *attachment) error {
	if !n.spec.Subnet.IsValid() {
		return nil // host and none have no addresses
	}
	ip := a.static
	switch {
	case !ip.IsValid():
		var ok bool
		if ip, ok = n.free(); !ok {
			return errForbidden("no available IPv4 addresses on this network's address pools: %s (%s)", n.spec.Name, n.id)
		}
	case !n.spec.Subnet.Contains(ip):
		return errInternal("Invalid address %s: It does not belong to any of this network's subnets", ip)
	case n.taken(ip):
		return errForbidden("Address already in use")
	}
	a.ip, n.used[c.id] = ip, ip
	return nil
}

func (n *netRecord) taken(ip netip.Addr) bool {
	return ip == n.spec.Gateway || slices.Contains(slices.Collect(maps.Values(n.used)), ip)
}

// free is the lowest address of the range that nobody has, as Docker gives them out.
func (n *netRecord) free() (netip.Addr, bool) {
	r := n.spec.IPRange
	if !r.IsValid() {
		r = n.spec.Subnet
	}
	for ip := r.Masked().Addr(); r.Contains(ip); ip = ip.Next() {
		network, broadcast := ip == n.spec.Subnet.Masked().Addr(), !n.spec.Subnet.Contains(ip.Next())
		if !network && !broadcast && !n.taken(ip) {
			return ip, true
		}
	}
	return netip.Addr{}, false
}

// bind publishes ports; e.mu is held.
func (e *Engine) bind(c *container) error {
	var bound []engine.PortBinding
	for _, p := range c.spec.Publish {
		p.Protocol = strings.ToLower(p.Protocol)
		if p.Protocol == "" {
			p.Protocol = "tcp"
		}
		for p.HostPort == 0 {
			e.nextPort++
			p.HostPort = e.nextPort
			if e.portUser(p) != "" {
				p.HostPort = 0
			}
		}
		if why := e.portUser(p); why != "" {
			return errInternal("driver failed programming external connectivity on endpoint %s (%s): %s", c.name, c.id, why)
		}
		bound = append(bound, p)
	}
	c.ports = bound
	return nil
}

// portUser says in Docker's words who has a port of the host, "" for nobody.
func (e *Engine) portUser(p engine.PortBinding) string {
	at := netip.AddrPortFrom(p.HostIP, p.HostPort)
	for o := range e.occupied {
		if sameSocket(o, at) {
			return "Error starting userland proxy: listen " + p.Protocol + "4 " + at.String() + ": bind: address already in use"
		}
	}
	for _, c := range e.containers {
		for _, b := range c.ports {
			if b.Protocol == p.Protocol && sameSocket(netip.AddrPortFrom(b.HostIP, b.HostPort), at) {
				return "Bind for " + at.String() + " failed: port is already allocated"
			}
		}
	}
	return ""
}

func sameSocket(a, b netip.AddrPort) bool {
	return a.Port() == b.Port() && (a.Addr() == b.Addr() || a.Addr().IsUnspecified() || b.Addr().IsUnspecified())
}
