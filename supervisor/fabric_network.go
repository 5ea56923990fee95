package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/network"
)

// ensureNetwork finds the project's network or makes it: in the subnet that it had before if that can be, else in one that
// overlaps nothing. made says that it had to be made.
func (f *fabric) ensureNetwork(ctx context.Context) (made bool, err error) {
	found, err := f.findNetwork(ctx)
	if err != nil {
		return false, err
	}
	saved := f.load()
	if found != nil {
		return false, f.use(found.Subnets[0], saved)
	}
	occupied, err := f.occupied(ctx)
	if err != nil {
		return false, err
	}
	last := saved.Subnet
	for range 20 {
		subnet := last
		if !last.IsValid() || slices.ContainsFunc(occupied, last.Overlaps) {
			if subnet, err = network.ChooseSubnet(f.s.cfg.Instance.Name, occupied); err != nil {
				return false, err
			}
		}
		err = f.createNetwork(ctx, subnet)
		if engine.IsOverlap(err) {
			occupied = append(occupied, subnet)
			continue
		}
		if err != nil {
			return false, err
		}
		return true, f.use(subnet, saved)
	}
	return false, errors.New("cannot create the project's network: every subnet overlaps another; remove unused ones with `docker network prune`")
}

// findNetwork is the project's network, nil if there is none.
func (f *fabric) findNetwork(ctx context.Context) (*engine.Network, error) {
	found, err := f.s.cfg.Engine.ListNetworks(ctx, map[string]string{services.ProjectLabel: f.s.cfg.Instance.Name})
	if err != nil {
		return nil, err
	}
	for _, n := range found {
		if n.Name == f.networkName() && len(n.Subnets) == 1 {
			return &n, nil
		}
	}
	return nil, nil
}

// occupied are the subnets that this machine or another network has.
func (f *fabric) occupied(ctx context.Context) ([]netip.Prefix, error) {
	occupied, err := network.HostPrefixes()
	if err != nil {
		return nil, err
	}
	all, err := f.s.cfg.Engine.ListNetworks(ctx, nil)
	for _, n := range all {
		occupied = append(occupied, n.Subnets...)
	}
	return occupied, err
}

func (f *fabric) createNetwork(ctx context.Context, subnet netip.Prefix) error {
	layout, err := network.LayoutOf(subnet)
	if err != nil {
		return err
	}
	labels := f.labels("network")
	labels["com.docker.compose.network"] = "default"
	_, err = f.s.cfg.Engine.CreateNetwork(ctx, engine.NetworkSpec{
		Name: f.networkName(), Subnet: layout.Subnet, IPRange: layout.Dynamic, Gateway: layout.Gateway, Labels: labels,
	})
	return err
}

// restoreNetwork makes the network again, in the subnet that it had, if somebody has removed it (docker network rm, a prune
// while nothing ran), and puts what runs back into it. The agent is to be made again afterwards. Called with changing held.
func (f *fabric) restoreNetwork(ctx context.Context) error {
	f.mu.Lock()
	subnet := f.layout.Subnet
	f.mu.Unlock()
	if found, err := f.findNetwork(ctx); err != nil || found != nil || !subnet.IsValid() {
		return err
	}
	f.s.log.Warn("the stack's network is gone; making it again", "network", f.networkName(), "subnet", subnet)
	if err := f.createNetwork(ctx, subnet); err != nil {
		return fmt.Errorf("%w; the stack's network was removed and cannot be made again: `lyandev down` and `lyandev up` choose another", err)
	}
	f.s.event("Node", nodeName, "Warning", "NetworkRestored", "network %s had been removed; it was made again in %s", f.networkName(), subnet)
	return errors.Join(f.dropAgent(ctx), f.s.pods.Rejoin(ctx))
}

// dropAgent removes the agent, which cannot come back into a network that was made again.
func (f *fabric) dropAgent(ctx context.Context) error {
	c, err := f.findAgent(ctx)
	if err != nil || c == nil {
		return err
	}
	return f.s.cfg.Engine.RemoveContainer(ctx, c.ID)
}
