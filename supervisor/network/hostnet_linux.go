package network

import (
	"net/netip"

	"github.com/vishvananda/netlink"
)

// routes are the destinations of the main routing table, without the default route.
func routes() (out []netip.Prefix, err error) {
	list, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if p, ok := destination(&list[i]); ok {
			out = append(out, p)
		}
	}
	return out, nil
}

// destination is where a route leads; the default route leads nowhere in particular.
func destination(r *netlink.Route) (netip.Prefix, bool) {
	if r.Dst == nil {
		return netip.Prefix{}, false
	}
	a, ok := netip.AddrFromSlice(r.Dst.IP.To4())
	ones, _ := r.Dst.Mask.Size()
	return netip.PrefixFrom(a, ones), ok && ones > 0
}
