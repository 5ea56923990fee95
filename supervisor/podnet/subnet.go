package podnet

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/network"
)

// ensureNetwork finds the project's network or makes it: in the subnet that it had before if that is free, else in one that
// overlaps nothing. made says that it had to be made: what runs already is outside it. Called with changing held.
func (n *Network) ensureNetwork(ctx context.Context) (made bool, err error) {
	found, err := n.find(ctx)
	if err != nil {
		return false, err
	}
	saved := n.load()
	last := saved.Subnet
	if found != nil {
		outdated, err := n.outdated(ctx, found)
		if err != nil || !outdated {
			return false, errors.Join(err, n.use(subnetOf(found), saved))
		}
		last = subnetOf(found)
		if err := errors.Join(n.dropAgent(ctx), n.cfg.Engine.RemoveNetwork(ctx, found.ID)); err != nil {
			return false, err
		}
	}
	subnet, err := n.makeNetwork(ctx, last)
	if err != nil {
		return false, err
	}
	return true, n.use(subnet, saved)
}

// makeNetwork makes the network, in the subnet last if it is valid and free.
func (n *Network) makeNetwork(ctx context.Context, last netip.Prefix) (netip.Prefix, error) {
	occupied, err := n.occupied(ctx)
	if err != nil {
		return netip.Prefix{}, err
	}
	for range 20 {
		subnet := last
		if !last.IsValid() || slices.ContainsFunc(occupied, last.Overlaps) {
			if subnet, err = network.ChooseSubnet(n.cfg.Instance.Name, occupied); err != nil {
				return netip.Prefix{}, err
			}
		}
		err = n.createNetwork(ctx, subnet)
		if !engine.IsOverlap(err) {
			return subnet, err
		}
		occupied = append(occupied, subnet)
	}
	return netip.Prefix{}, errors.New("cannot create the project's network: every subnet overlaps another; remove unused networks with `docker network prune`")
}

// moveIn puts what runs into a network that has just been made. The agent cannot be moved; it is made again.
func (n *Network) moveIn(ctx context.Context) error {
	_, err := n.cfg.Rejoin(ctx)
	return errors.Join(n.dropAgent(ctx), err)
}

// outdated says whether the network is one of an older version, in which Docker gives out the addresses of pods and Services
// too, and can be replaced: nothing but the agent is connected to it, running or not.
func (n *Network) outdated(ctx context.Context, found *engine.Network) (bool, error) {
	for _, p := range found.IPAM.Pools {
		layout, err := network.LayoutOf(p.Subnet)
		if err == nil && p.IPRange == layout.Dynamic {
			return false, nil
		}
	}
	all, err := n.cfg.Engine.ListContainers(ctx, nil)
	for i := range all {
		if _, in := all[i].Networks[found.Name]; in && !n.isAgent(&all[i]) {
			n.log.Warn("the stack's network was made by an older version and stays while something uses it: Docker may give a "+
				"plain service's container the address of a pod; `lyandev down` and `lyandev up` make it anew", "network", found.Name)
			return false, err
		}
	}
	return err == nil, err
}

// subnetOf is the IPv4 subnet of a network that lyandev divides; not valid if it has none that can be divided.
func subnetOf(found *engine.Network) netip.Prefix {
	for _, s := range found.Subnets {
		if _, err := network.LayoutOf(s); err == nil {
			return s
		}
	}
	return netip.Prefix{}
}

// find is the project's network, nil if there is none.
func (n *Network) find(ctx context.Context) (*engine.Network, error) {
	found, err := n.cfg.Engine.ListNetworks(ctx, map[string]string{services.ProjectLabel: n.cfg.Instance.Name})
	if err != nil {
		return nil, err
	}
	for i := range found {
		if found[i].Name == n.homeName() && subnetOf(&found[i]).IsValid() {
			return &found[i], nil
		}
	}
	return nil, nil
}

// occupied are the subnets of this machine and of all Docker networks.
func (n *Network) occupied(ctx context.Context) ([]netip.Prefix, error) {
	occupied, err := network.HostPrefixes()
	if err != nil {
		return nil, err
	}
	all, err := n.cfg.Engine.ListNetworks(ctx, nil)
	for _, other := range all {
		occupied = append(occupied, other.Subnets...)
	}
	return occupied, err
}

func (n *Network) createNetwork(ctx context.Context, subnet netip.Prefix) error {
	layout, err := network.LayoutOf(subnet)
	if err != nil {
		return err
	}
	spec := engine.NetworkSpec{Name: n.homeName(), Subnet: layout.Subnet, IPRange: layout.Dynamic, Gateway: layout.Gateway}
	spec.Labels = n.Labels("network")
	spec.Labels["com.docker.compose.network"] = strings.TrimPrefix(spec.Name, n.cfg.Instance.Name+"_")
	n.mu.Lock()
	settings := n.settings
	n.mu.Unlock()
	if settings != nil && spec.Name == n.Name() {
		spec.Options, spec.Attachable, spec.EnableIPv6 = settings.DriverOpts, settings.Attachable, settings.EnableIPv6
		for k, v := range settings.Labels {
			if _, ours := spec.Labels[k]; !ours {
				spec.Labels[k] = v
			}
		}
	}
	_, err = n.cfg.Engine.CreateNetwork(ctx, spec)
	return err
}

// restoreNetwork makes the network again, in the subnet that it had, if somebody has removed it (docker network rm, a prune
// while nothing ran), and puts what runs back into it. The agent is removed: it is to be made again. Called with changing
// held.
func (n *Network) restoreNetwork(ctx context.Context) error {
	n.mu.Lock()
	subnet := n.layout.Subnet
	n.mu.Unlock()
	if found, err := n.find(ctx); err != nil || found != nil || !subnet.IsValid() {
		return err
	}
	n.log.Warn("the stack's network was removed; making it again", "network", n.homeName(), "subnet", subnet)
	if err := n.createNetwork(ctx, subnet); err != nil {
		return fmt.Errorf("%w; the stack's network was removed and cannot be made again: `lyandev down` and `lyandev up` choose another", err)
	}
	n.cfg.Event(node, "", corev1.EventTypeWarning, "NetworkRestored",
		fmt.Sprintf("network %s had been removed; it was made again in %s", n.homeName(), subnet))
	return n.moveIn(ctx)
}
