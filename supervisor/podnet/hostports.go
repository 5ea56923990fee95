package podnet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"strings"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/network"
)

// publish chooses the host ports: those wanted, or, with auto or a wanted port 0, others that are free. What the present
// agent has stays, and so does what was chosen before, also over a down and an up, as long as it can be had. A port that
// something else listens at is a *network.PortConflict.
func (n *Network) publish(ctx context.Context, ports []services.HostPort, old *engine.Container, auto bool) ([]network.Published, error) {
	local, err := n.isLocal(ctx)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	chosen := maps.Clone(n.chosen)
	n.mu.Unlock()
	c := portChooser{local: local, auto: auto, old: old, before: chosen, taken: map[string]bool{}}
	ports = append([]services.HostPort(nil), ports...)
	for _, p := range ports {
		c.taken[portAddress(p)] = p.HostPort != 0
	}
	now := map[string]int32{}
	var errs []error
	for i := range ports {
		key, wanted := portKey(ports[i]), ports[i].HostPort
		if err := c.choose(&ports[i]); err != nil {
			errs = append(errs, n.nameHolder(ctx, err))
			continue
		}
		if ports[i].HostPort != wanted {
			now[key] = ports[i].HostPort
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	n.mu.Lock()
	changed := !maps.Equal(now, n.chosen)
	n.chosen = now
	n.mu.Unlock()
	if changed {
		n.save()
	}
	return network.AgentPorts(ports)
}

// nameHolder adds to an error about a taken port which container publishes it, if one does.
func (n *Network) nameHolder(ctx context.Context, err error) error {
	var conflict *network.PortConflict
	if !errors.As(err, &conflict) {
		return err
	}
	list, listErr := n.cfg.Engine.ListContainers(ctx, nil)
	if listErr != nil {
		return err
	}
	for _, c := range list {
		for _, b := range c.Ports {
			if b.HostPort != conflict.Address.Port() || (b.HostIP != conflict.Address.Addr() && !b.HostIP.IsUnspecified()) {
				continue
			}
			if project := c.Labels[services.ProjectLabel]; project != "" {
				return fmt.Errorf("%w; it belongs to the lyandev instance %s (`lyandev -p %s down` stops that)", err, project, project)
			}
			return fmt.Errorf("%w; it belongs to container %s", err, c.Name)
		}
	}
	return err
}

// AdoptPorts takes over the host ports of a running stack, as the agent that runs publishes them.
func (n *Network) AdoptPorts(ctx context.Context, ports []services.HostPort) {
	if n.withoutAgent() {
		return
	}
	old, err := n.findAgent(ctx)
	if err != nil {
		return
	}
	bound, err := n.publish(ctx, ports, old, false)
	if err != nil {
		n.log.Warn("cannot take over the host ports", "error", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.bound, n.wanted = bound, ports
}

// portChooser chooses host ports one after another.
type portChooser struct {
	local, auto bool
	old         *engine.Container
	before      map[string]int32
	taken       map[string]bool // by portAddress
}

func (c *portChooser) choose(p *services.HostPort) error {
	ip, err := netip.ParseAddr(p.HostIP)
	if err != nil {
		return fmt.Errorf("cannot publish %s: %w", p.Address(), err)
	}
	wanted, last := p.HostPort, c.before[portKey(*p)]
	switch {
	case wanted != 0 && ours(c.old, *p, ip):
		return nil
	case last != 0 && ours(c.old, at(*p, last), ip):
		p.HostPort = last
		return nil
	case wanted != 0 && !c.local:
		return nil // another machine's ports cannot be looked at: the engine will say
	}
	proto := strings.ToLower(string(p.Protocol))
	var conflict *network.PortConflict
	if wanted != 0 {
		if err = network.CheckPort(proto, netip.AddrPortFrom(ip, uint16(wanted))); err == nil {
			return nil
		}
		if !errors.As(err, &conflict) || !c.auto {
			return fmt.Errorf("%s: %w; or choose one automatically with --ports auto", p.Source, err)
		}
	}
	if last != 0 && !c.taken[portAddress(at(*p, last))] && network.CheckPort(proto, netip.AddrPortFrom(ip, uint16(last))) == nil {
		*p = at(*p, last)
		c.taken[portAddress(*p)] = true
		return nil
	}
	from := int(wanted) + 1
	if wanted == 0 {
		from = int(20000 + p.Port%10000)
	}
	return c.nextFree(p, proto, ip, from)
}

func (c *portChooser) nextFree(p *services.HostPort, proto string, ip netip.Addr, from int) error {
	for {
		n, err := network.NextFree(proto, ip, from)
		if err != nil {
			return err
		}
		if next := at(*p, int32(n)); !c.taken[portAddress(next)] {
			*p = next
			c.taken[portAddress(next)] = true
			return nil
		}
		from = n + 1
	}
}

func at(p services.HostPort, port int32) services.HostPort {
	p.HostPort = port
	return p
}

// portAddress is where a host port listens.
func portAddress(p services.HostPort) string {
	return fmt.Sprintf("%s:%d/%s", p.HostIP, p.HostPort, strings.ToLower(string(p.Protocol)))
}

// portKey is what was asked for, so that the same wish gets the same port again.
func portKey(p services.HostPort) string {
	return fmt.Sprintf("%s %s:%d", portAddress(p), p.Service, p.Port)
}

// ours says that the present agent publishes the port: it is free to the next one.
func ours(old *engine.Container, p services.HostPort, ip netip.Addr) bool {
	if old == nil {
		return false
	}
	for _, b := range old.Ports {
		same := strings.EqualFold(b.Protocol, string(p.Protocol)) || (b.Protocol == "" && strings.EqualFold(string(p.Protocol), "tcp"))
		if b.HostIP == ip && b.HostPort == uint16(p.HostPort) && same {
			return true
		}
	}
	return false
}
