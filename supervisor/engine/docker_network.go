package engine

import (
	"context"
	"net/netip"
	"strings"

	"github.com/docker/docker/api/types/network"
)

// CreateNetwork implements Networks.
func (d *Docker) CreateNetwork(ctx context.Context, spec NetworkSpec) (string, error) {
	opts := TranslateNetwork(spec)
	if err := d.knowsNetwork(ctx, opts); err != nil {
		return "", wrap(err, "create network %s", spec.Name)
	}
	r, err := within(ctx, workLimit, func(ctx context.Context) (network.CreateResponse, error) {
		return d.api.NetworkCreate(ctx, spec.Name, opts)
	})
	return r.ID, wrap(err, "create network %s%s", spec.Name, subnetsOf(spec))
}

// subnetsOf is " (SUBNET, ...)" for messages, "" if the engine chooses.
func subnetsOf(spec NetworkSpec) string {
	var out []string
	for _, p := range spec.Pools() {
		if p.Subnet.IsValid() {
			out = append(out, p.Subnet.String())
		}
	}
	if len(out) == 0 {
		return ""
	}
	return " (" + strings.Join(out, ", ") + ")"
}

// TranslateNetwork converts a spec to the options of Docker's create call. It is pure.
func TranslateNetwork(spec NetworkSpec) network.CreateOptions {
	opts := network.CreateOptions{
		Driver: spec.Driver, Options: spec.Options, Internal: spec.Internal, Attachable: spec.Attachable,
		EnableIPv4: spec.EnableIPv4, EnableIPv6: spec.EnableIPv6, Labels: spec.Labels,
	}
	if opts.Driver == "" {
		opts.Driver = "bridge"
	}
	pools := spec.Pools()
	if len(pools) == 0 && spec.IPAM.Driver == "" && len(spec.IPAM.Options) == 0 {
		return opts
	}
	opts.IPAM = &network.IPAM{Driver: spec.IPAM.Driver, Options: spec.IPAM.Options}
	if opts.IPAM.Driver == "" {
		opts.IPAM.Driver = "default"
	}
	for _, p := range pools {
		conf := network.IPAMConfig{Subnet: text(p.Subnet), IPRange: text(p.IPRange), Gateway: text(p.Gateway)}
		for name, a := range p.Aux {
			if conf.AuxAddress == nil {
				conf.AuxAddress = map[string]string{}
			}
			conf.AuxAddress[name] = a.String()
		}
		opts.IPAM.Config = append(opts.IPAM.Config, conf)
	}
	return opts
}

// text is an address or prefix as Docker wants it, "" for none.
func text[T interface {
	IsValid() bool
	String() string
}](v T) string {
	if !v.IsValid() {
		return ""
	}
	return v.String()
}

// InspectNetwork implements Networks.
func (d *Docker) InspectNetwork(ctx context.Context, name string) (Network, error) {
	n, err := d.inspectNetwork(ctx, name)
	if err != nil {
		return Network{}, wrap(err, "inspect network %s", short(name))
	}
	return observedNetwork(n), nil
}

func (d *Docker) inspectNetwork(ctx context.Context, name string) (network.Inspect, error) {
	return within(ctx, answerLimit, func(ctx context.Context) (network.Inspect, error) {
		return d.api.NetworkInspect(ctx, name, network.InspectOptions{})
	})
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
			full, err := d.inspectNetwork(ctx, n.ID)
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
	o := Network{
		ID: n.ID, Name: n.Name, Driver: n.Driver, Options: n.Options, Internal: n.Internal, Attachable: n.Attachable,
		IPv4: n.EnableIPv4, IPv6: n.EnableIPv6, Labels: n.Labels, Created: n.Created.UTC(),
		IPAM: IPAM{Driver: n.IPAM.Driver, Options: n.IPAM.Options},
	}
	for _, c := range n.IPAM.Config {
		p := IPAMPool{Subnet: prefix(c.Subnet), IPRange: prefix(c.IPRange), Gateway: addr(c.Gateway)}
		for name, a := range c.AuxAddress {
			if p.Aux == nil {
				p.Aux = map[string]netip.Addr{}
			}
			p.Aux[name] = addr(a)
		}
		o.IPAM.Pools = append(o.IPAM.Pools, p)
		if p.Subnet.IsValid() {
			o.Subnets = append(o.Subnets, p.Subnet)
			o.IPv4 = o.IPv4 || p.Subnet.Addr().Is4() // engines below API 1.48 do not say it
		}
	}
	for id := range n.Containers {
		o.Containers = append(o.Containers, id)
	}
	return o
}

// addr and prefix parse what the engine says; anything else is the zero value. Docker 20.10 writes gateways with a prefix length.
func addr(s string) netip.Addr {
	s, _, _ = strings.Cut(s, "/")
	a, _ := netip.ParseAddr(s)
	return a
}

func prefix(s string) netip.Prefix {
	p, _ := netip.ParsePrefix(s)
	return p
}

// ConnectNetwork implements Networks.
func (d *Docker) ConnectNetwork(ctx context.Context, net, container string, settings network.EndpointSettings) error {
	err := d.knowsEndpoint(ctx, net, &settings)
	if err == nil {
		err = do(ctx, workLimit, func(ctx context.Context) error { return d.api.NetworkConnect(ctx, net, container, &settings) })
	}
	return wrap(err, "connect container %s to network %s", short(container), net)
}

// DisconnectNetwork implements Networks.
func (d *Docker) DisconnectNetwork(ctx context.Context, net, container string) error {
	err := do(ctx, workLimit, func(ctx context.Context) error { return d.api.NetworkDisconnect(ctx, net, container, true) })
	return wrap(err, "disconnect container %s from network %s", short(container), net)
}
