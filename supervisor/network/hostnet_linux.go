package network

import (
	"net/netip"

	"github.com/vishvananda/netlink"
)

// routes returns the destinations of the main routing table, without the default route.
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

// destination returns the destination of a route, false for the default route.
func destination(r *netlink.Route) (netip.Prefix, bool) {
	if r.Dst == nil {
		return netip.Prefix{}, false
	}
	a, ok := netip.AddrFromSlice(r.Dst.IP.To4())
	ones, _ := r.Dst.Mask.Size()
	return netip.PrefixFrom(a, ones), ok && ones > 0
}
