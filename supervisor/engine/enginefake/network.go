package enginefake

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/network"

	"github.com/lyandev/lyandev/supervisor/engine"
)

type netRecord struct {
	id, driver string
	spec       engine.NetworkSpec
	created    time.Time
	// pools are its subnets, each with a gateway. host and none have none.
	pools []engine.IPAMPool
	// used are the addresses in use, by the container's ID.
	used map[string][]netip.Addr
}

func (e *Engine) addBuiltinNetworks() {
	bridge := engine.IPAMPool{Subnet: netip.MustParsePrefix("172.17.0.0/16"), Gateway: netip.MustParseAddr("172.17.0.1")}
	for name, pools := range map[string][]engine.IPAMPool{"bridge": {bridge}, "host": nil, "none": nil} {
		n := &netRecord{
			id: e.id(), driver: name, spec: engine.NetworkSpec{Name: name}, created: time.Now(), pools: pools,
			used: map[string][]netip.Addr{},
		}
		if name == "none" {
			n.driver = "null"
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
		spec.Labels, spec.Options = maps.Clone(spec.Labels), maps.Clone(spec.Options)
		n := &netRecord{id: e.id(), driver: spec.Driver, spec: spec, created: time.Now(), used: map[string][]netip.Addr{}}
		if n.driver == "" {
			n.driver = "bridge"
		}
		for _, p := range slices.Clone(spec.Pools()) {
			if e.overlaps(p.Subnet) {
				return errForbidden("Pool overlaps with other one on this address space")
			}
			n.addPool(p)
		}
		if len(n.pools) == 0 {
			n.addPool(engine.IPAMPool{Subnet: e.freeSubnet()})
		}
		e.networks[n.id] = n
		id = n.id
		return nil
	})
	return id, wrap(err, "create network %s", spec.Name)
}

// addPool adds a subnet, with the gateway that Docker would choose if there is none.
func (n *netRecord) addPool(p engine.IPAMPool) {
	n.pools = append(n.pools, p)
	last := &n.pools[len(n.pools)-1]
	if !p.Gateway.IsValid() {
		last.Gateway, _ = n.free(p)
	}
}

// overlaps says whether a network has addresses of a subnet; e.mu is held.
func (e *Engine) overlaps(subnet netip.Prefix) bool {
	for _, n := range e.networks {
		for _, p := range n.pools {
			if p.Subnet.Overlaps(subnet) {
				return true
			}
		}
	}
	return false
}

// freeSubnet is the first of 172.18.0.0/16, 172.19.0.0/16 ... that no network has, as with Docker's defaults; e.mu is held.
func (e *Engine) freeSubnet() netip.Prefix {
	for second := byte(18); ; second++ {
		if p := netip.PrefixFrom(netip.AddrFrom4([4]byte{172, second, 0, 0}), 16); !e.overlaps(p) {
			return p
		}
	}
}

// RemoveNetwork implements engine.Networks.
func (e *Engine) RemoveNetwork(ctx context.Context, id string) error {
	err := e.call(ctx, "RemoveNetwork", id, func() error {
		n := e.findNetwork(id)
		switch {
		case n == nil:
			return nil
		case n.predefined():
			return errForbidden("%s is a pre-defined network and cannot be removed", n.spec.Name)
		case len(n.used) > 0:
			return errForbidden("error while removing network: network %s id %s has active endpoints", n.spec.Name, n.id)
		}
		delete(e.networks, n.id)
		return nil
	})
	return wrap(err, "remove network %s", short(id))
}

func (n *netRecord) predefined() bool {
	return n.spec.Name == "bridge" || n.spec.Name == "host" || n.spec.Name == "none"
}

// InspectNetwork implements engine.Networks.
func (e *Engine) InspectNetwork(ctx context.Context, name string) (engine.Network, error) {
	var out engine.Network
	err := e.call(ctx, "InspectNetwork", name, func() error {
		n := e.findNetwork(name)
		if n == nil {
			return errNotFound("network %s not found", name)
		}
		out = n.observe()
		return nil
	})
	return out, wrap(err, "inspect network %s", short(name))
}

func (n *netRecord) observe() engine.Network {
	s := n.spec
	out := engine.Network{
		ID: n.id, Name: s.Name, Driver: n.driver, Options: maps.Clone(s.Options), Internal: s.Internal, Attachable: s.Attachable,
		IPv6: s.EnableIPv6 != nil && *s.EnableIPv6, Labels: maps.Clone(s.Labels), Created: n.created.UTC(),
		IPAM: engine.IPAM{Driver: s.IPAM.Driver, Options: maps.Clone(s.IPAM.Options)}, Containers: slices.Sorted(maps.Keys(n.used)),
	}
	if out.IPAM.Driver == "" {
		out.IPAM.Driver = "default"
	}
	for _, p := range n.pools {
		out.Subnets, out.IPv4 = append(out.Subnets, p.Subnet), out.IPv4 || p.Subnet.Addr().Is4()
	}
	// as with Docker, what was asked for: a gateway that the engine has chosen is there only if it chose the subnet too
	out.IPAM.Pools = slices.Clone(s.Pools())
	if len(out.IPAM.Pools) == 0 {
		out.IPAM.Pools = slices.Clone(n.pools)
	}
	return out
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
			o := n.observe()
			if labels == nil {
				o.Containers = nil
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
func (e *Engine) ConnectNetwork(ctx context.Context, net, ref string, settings network.EndpointSettings) error {
	err := e.call(ctx, "ConnectNetwork", net, func() error {
		c, err := e.need(ref)
		if err != nil {
			return err
		}
		n := e.findNetwork(net)
		if n == nil && !c.alive() { // Docker looks for it at the start
			c.networks[net] = attachmentOf(settings)
			return nil
		}
		if n == nil {
			return errNotFound("network %s not found", net)
		}
		if _, on := c.networks[n.spec.Name]; on && c.alive() {
			return errForbidden("endpoint with name %s already exists in network %s", c.name, n.spec.Name)
		}
		a := attachmentOf(settings)
		if c.alive() {
			if err := e.join(n, c, a); err != nil {
				return err
			}
		}
		c.networks[n.spec.Name] = a
		return nil
	})
	return wrap(err, "connect container %s to network %s", short(ref), net)
}

// DisconnectNetwork implements engine.Networks.
func (e *Engine) DisconnectNetwork(ctx context.Context, net, ref string) error {
	err := e.call(ctx, "DisconnectNetwork", net, func() error {
		n := e.findNetwork(net)
		if n == nil {
			return errNotFound("network %s not found", net)
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
		e.leave(n, c)
		return nil
	})
	return wrap(err, "disconnect container %s from network %s", short(ref), net)
}

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
