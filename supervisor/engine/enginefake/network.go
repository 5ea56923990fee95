package enginefake

import (
	"context"
	"maps"
	"net/netip"
	"slices"
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
