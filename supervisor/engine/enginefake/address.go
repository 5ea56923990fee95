package enginefake

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/lyandev/lyandev/supervisor/engine"
)

// attach gives a container that starts its addresses and ports, or says why not; detach takes them back. e.mu is held.
func (e *Engine) attach(c *container) error {
	if ref := c.conf.join; ref != "" {
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
		if err := e.join(n, c, c.networks[name]); err != nil {
			return err
		}
	}
	return e.bind(c)
}

func (e *Engine) detach(c *container) {
	for _, a := range c.networks {
		a.ip, a.ip6 = netip.Addr{}, netip.Addr{}
	}
	for _, id := range slices.Sorted(maps.Keys(e.networks)) {
		e.leave(e.networks[id], c)
	}
	c.ports = nil
}

// join gives a container its addresses in a network, and says so in the events; e.mu is held.
func (e *Engine) join(n *netRecord, c *container, a *attachment) error {
	if len(n.pools) == 0 {
		return nil // host and none have no addresses
	}
	var err error
	if a.ip, err = n.address(a.static, netip.Addr.Is4); err != nil {
		return err
	}
	if a.ip6, err = n.address(a.static6, netip.Addr.Is6); err != nil {
		return err
	}
	if a.mac == "" && a.ip.IsValid() {
		b := a.ip.As4()
		a.mac = fmt.Sprintf("02:42:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3])
	}
	n.used[c.id] = slices.DeleteFunc([]netip.Addr{a.ip, a.ip6}, func(x netip.Addr) bool { return !x.IsValid() })
	e.emitNetwork(c, n, "connect")
	return nil
}

// leave takes a container's addresses back, and says so in the events; e.mu is held.
func (e *Engine) leave(n *netRecord, c *container) {
	if _, in := n.used[c.id]; in {
		delete(n.used, c.id)
		e.emitNetwork(c, n, "disconnect")
	}
}

// address is the static address, or a free one of the first pool of the family that has one; none if there is no such pool.
func (n *netRecord) address(static netip.Addr, family func(netip.Addr) bool) (netip.Addr, error) {
	pools := slices.DeleteFunc(slices.Clone(n.pools), func(p engine.IPAMPool) bool { return !family(p.Subnet.Addr()) })
	switch {
	case static.IsValid() && !slices.ContainsFunc(pools, func(p engine.IPAMPool) bool { return p.Subnet.Contains(static) }):
		return static, errInternal("Invalid address %s: It does not belong to any of this network's subnets", static)
	case static.IsValid() && n.taken(static):
		return static, errForbidden("Address already in use")
	case static.IsValid() || len(pools) == 0:
		return static, nil
	}
	for _, p := range pools {
		if ip, ok := n.free(p); ok {
			return ip, nil
		}
	}
	return netip.Addr{}, errForbidden("no available IPv4 addresses on this network's address pools: %s (%s)", n.spec.Name, n.id)
}

// taken says whether an address is a gateway, reserved, or a container's.
func (n *netRecord) taken(ip netip.Addr) bool {
	for _, p := range n.pools {
		if ip == p.Gateway || slices.Contains(slices.Collect(maps.Values(p.Aux)), ip) {
			return true
		}
	}
	for _, ips := range n.used {
		if slices.Contains(ips, ip) {
			return true
		}
	}
	return false
}

// free is the lowest address of a pool's range that nobody has, as Docker gives them out.
func (n *netRecord) free(p engine.IPAMPool) (netip.Addr, bool) {
	r := p.IPRange
	if !r.IsValid() {
		r = p.Subnet
	}
	for ip := r.Masked().Addr(); r.Contains(ip); ip = ip.Next() {
		network, broadcast := ip == p.Subnet.Masked().Addr(), !p.Subnet.Contains(ip.Next())
		if !network && !broadcast && !n.taken(ip) {
			return ip, true
		}
	}
	return netip.Addr{}, false
}

// bind publishes ports; e.mu is held.
func (e *Engine) bind(c *container) error {
	var bound []engine.PortBinding
	for _, p := range c.conf.publish {
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
