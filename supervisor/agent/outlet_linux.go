package agent

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
)

// outletSettles is how long the routes must have stayed as they are before they are read: Docker changes several at a time.
const outletSettles = 20 * time.Millisecond

// followRoutes implements followOutlet by the changes of the routes.
func followRoutes(ctx context.Context, own netip.Addr, use func(outlet)) error {
	changes, done := make(chan netlink.RouteUpdate, 16), make(chan struct{})
	defer close(done)
	if err := netlink.RouteSubscribe(changes, done); err != nil {
		return fmt.Errorf("cannot follow the routes: %w", err)
	}
	var last outlet
	wait := time.NewTimer(0)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			go func() {
				for range changes { // until the subscription has ended
				}
			}()
			return nil
		case _, open := <-changes:
			if !open {
				return fmt.Errorf("cannot follow the routes: the subscription has ended")
			}
			wait.Reset(outletSettles)
			continue
		case <-wait.C:
		}
		o, err := presentOutlet(own)
		if err == nil && o != last {
			last = o
			use(o)
		}
	}
}

// presentOutlet is the interface of the default route, none if that has the agent's own address.
func presentOutlet(own netip.Addr) (outlet, error) {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return outlet{}, err
	}
	for i := range routes {
		r := &routes[i]
		gateway, ok := netip.AddrFromSlice(r.Gw.To4())
		if ones, _ := maskSize(r); !ok || ones != 0 {
			continue
		}
		link, err := netlink.LinkByIndex(r.LinkIndex)
		if err != nil {
			return outlet{}, err
		}
		held, err := netlink.AddrList(link, netlink.FAMILY_V4)
		if err != nil {
			return outlet{}, err
		}
		for _, h := range held {
			addr, ok := netip.AddrFromSlice(h.IP.To4())
			ones, _ := h.Mask.Size()
			if ok && addr == own {
				return outlet{}, nil
			}
			if subnet := netip.PrefixFrom(addr, ones).Masked(); ok && subnet.Contains(gateway) {
				return outlet{addr: addr, subnet: subnet, gateway: gateway}, nil
			}
		}
	}
	return outlet{}, nil
}

// maskSize is the number of bits of a route's destination, 0 for the default route.
func maskSize(r *netlink.Route) (ones, bits int) {
	if r.Dst == nil {
		return 0, 32
	}
	return r.Dst.Mask.Size()
}
