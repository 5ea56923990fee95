package resources

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/docker/docker/api/types/network"

	"github.com/lyandev/lyandev/supervisor/engine"
)

// ipam reads the file's address settings.
func ipam(in *network.IPAM) (out engine.IPAM, err error) {
	if in == nil {
		return out, nil
	}
	out.Driver, out.Options = in.Driver, in.Options
	for _, c := range in.Config {
		var p engine.IPAMPool
		if p.Subnet, err = parse(c.Subnet, netip.ParsePrefix); err != nil {
			return out, fmt.Errorf("subnet: %w", err)
		}
		if p.IPRange, err = parse(c.IPRange, netip.ParsePrefix); err != nil {
			return out, fmt.Errorf("ip_range: %w", err)
		}
		if p.Gateway, err = parse(c.Gateway, netip.ParseAddr); err != nil {
			return out, fmt.Errorf("gateway: %w", err)
		}
		for name, text := range c.AuxAddress {
			a, err := netip.ParseAddr(text)
			if err != nil {
				return out, fmt.Errorf("aux_addresses.%s: %w", name, err)
			}
			if p.Aux == nil {
				p.Aux = map[string]netip.Addr{}
			}
			p.Aux[name] = a
		}
		out.Pools = append(out.Pools, p)
	}
	return out, nil
}

// parse reads text, of which "" is the zero value.
func parse[T any](text string, read func(string) (T, error)) (v T, err error) {
	if text == "" {
		return v, nil
	}
	return read(text)
}

// networkDiffers says, one part each, in what a network is not as it was asked for. What was not asked for, Docker chose: that
// is no difference.
func networkDiffers(want engine.NetworkSpec, is engine.Network) (out []string) {
	differs := func(what string, want, is any) {
		out = append(out, fmt.Sprintf("%s is %v instead of %v", what, is, want))
	}
	if driver := cmp.Or(want.Driver, "bridge"); is.Driver != driver {
		differs("driver", driver, is.Driver)
	}
	if want.Internal != is.Internal {
		differs("internal", want.Internal, is.Internal)
	}
	if want.Attachable != is.Attachable {
		differs("attachable", want.Attachable, is.Attachable)
	}
	if want.EnableIPv6 != nil && *want.EnableIPv6 != is.IPv6 {
		differs("enable_ipv6", *want.EnableIPv6, is.IPv6)
	}
	for _, k := range slices.Sorted(maps.Keys(want.Options)) {
		if is.Options[k] != want.Options[k] {
			differs("driver option "+k, want.Options[k], fmt.Sprintf("%q", is.Options[k]))
		}
	}
	for _, p := range want.Pools() {
		if !slices.ContainsFunc(is.IPAM.Pools, func(q engine.IPAMPool) bool { return covers(q, p) }) {
			differs("subnet", poolText(p), is.Subnets)
		}
	}
	return out
}

// covers says whether a subnet is as was asked for.
func covers(is, want engine.IPAMPool) bool {
	return (!want.Subnet.IsValid() || is.Subnet == want.Subnet.Masked()) && (!want.IPRange.IsValid() || is.IPRange == want.IPRange) &&
		(!want.Gateway.IsValid() || is.Gateway == want.Gateway) && (len(want.Aux) == 0 || maps.Equal(is.Aux, want.Aux))
}

func poolText(p engine.IPAMPool) string {
	text := p.Subnet.String()
	if p.IPRange.IsValid() {
		text += " with ip_range " + p.IPRange.String()
	}
	if p.Gateway.IsValid() {
		text += " with gateway " + p.Gateway.String()
	}
	return text
}
