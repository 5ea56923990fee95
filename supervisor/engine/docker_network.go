package engine

import (
	"context"
	"net/netip"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
)

// CreateNetwork implements Networks.
func (d *Docker) CreateNetwork(ctx context.Context, spec NetworkSpec) (string, error) {
	conf := network.IPAMConfig{Subnet: spec.Subnet.String()}
	if spec.IPRange.IsValid() {
		conf.IPRange = spec.IPRange.String()
	}
	if spec.Gateway.IsValid() {
		conf.Gateway = spec.Gateway.String()
	}
	r, err := within(ctx, workLimit, func(ctx context.Context) (network.CreateResponse, error) {
		return d.api.NetworkCreate(ctx, spec.Name, network.CreateOptions{
			Driver: "bridge", Labels: spec.Labels, IPAM: &network.IPAM{Driver: "default", Config: []network.IPAMConfig{conf}},
		})
	})
	return r.ID, wrap(err, "create network %s (%s)", spec.Name, spec.Subnet)
}

// RemoveNetwork implements Networks.
func (d *Docker) RemoveNetwork(ctx context.Context, id string) error {
	err := do(ctx, workLimit, func(ctx context.Context) error { return d.api.NetworkRemove(ctx, id) })
	if IsNotFound(err) {
		return nil
	}
	return wrap(err, "remove network %s", short(id))
}

// ListNetworks implements Networks.
func (d *Docker) ListNetworks(ctx context.Context, labels map[string]string) ([]Network, error) {
	list, err := within(ctx, answerLimit, func(ctx context.Context) ([]network.Summary, error) {
		return d.api.NetworkList(ctx, network.ListOptions{Filters: labelFilter(labels)})
	})
	if err != nil {
		return nil, wrap(err, "list networks")
	}
	out := make([]Network, 0, len(list))
	for _, n := range list {
		if labels != nil { // the list call leaves out who is attached
			full, err := within(ctx, answerLimit, func(ctx context.Context) (network.Inspect, error) {
				return d.api.NetworkInspect(ctx, n.ID, network.InspectOptions{})
			})
			if IsNotFound(err) {
				continue
			}
			if err != nil {
				return nil, wrap(err, "inspect network %s", n.Name)
			}
			n = full
		}
		out = append(out, observedNetwork(n))
	}
	return out, nil
}

func observedNetwork(n network.Inspect) Network {
	o := Network{ID: n.ID, Name: n.Name, Driver: n.Driver, Labels: n.Labels}
	for _, c := range n.IPAM.Config {
		if p, err := netip.ParsePrefix(c.Subnet); err == nil {
			o.Subnets = append(o.Subnets, p)
		}
	}
	for id := range n.Containers {
		o.Containers = append(o.Containers, id)
	}
	return o
}

// ConnectNetwork implements Networks.
func (d *Docker) ConnectNetwork(ctx context.Context, net, container string, ip netip.Addr, aliases []string) error {
	ep := &network.EndpointSettings{Aliases: aliases}
	if ip.IsValid() {
		ep.IPAMConfig = &network.EndpointIPAMConfig{IPv4Address: ip.String()}
	}
	err := do(ctx, workLimit, func(ctx context.Context) error { return d.api.NetworkConnect(ctx, net, container, ep) })
	return wrap(err, "connect container %s to network %s", short(container), net)
}

// DisconnectNetwork implements Networks.
func (d *Docker) DisconnectNetwork(ctx context.Context, net, container string) error {
	err := do(ctx, workLimit, func(ctx context.Context) error { return d.api.NetworkDisconnect(ctx, net, container, true) })
	return wrap(err, "disconnect container %s from network %s", short(container), net)
}

// CreateVolume implements Volumes.
func (d *Docker) CreateVolume(ctx context.Context, name string, labels map[string]string) error {
	_, err := within(ctx, workLimit, func(ctx context.Context) (volume.Volume, error) {
		return d.api.VolumeCreate(ctx, volume.CreateOptions{Name: name, Labels: labels})
	})
	return wrap(err, "create volume %s", name)
}

// RemoveVolume implements Volumes.
func (d *Docker) RemoveVolume(ctx context.Context, name string) error {
	err := do(ctx, workLimit, func(ctx context.Context) error { return d.api.VolumeRemove(ctx, name, false) })
	if IsNotFound(err) {
		return nil
	}
	return wrap(err, "remove volume %s", name)
}

// ListVolumes implements Volumes.
func (d *Docker) ListVolumes(ctx context.Context, labels map[string]string) ([]Volume, error) {
	r, err := within(ctx, answerLimit, func(ctx context.Context) (volume.ListResponse, error) {
		return d.api.VolumeList(ctx, volume.ListOptions{Filters: labelFilter(labels)})
	})
	if err != nil {
		return nil, wrap(err, "list volumes")
	}
	out := make([]Volume, 0, len(r.Volumes))
	for _, v := range r.Volumes {
		out = append(out, Volume{Name: v.Name, Labels: v.Labels, Created: parseTime(v.CreatedAt)})
	}
	return out, nil
}
