package agent

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// gatewayTable is the routing table for what the agent sends from its own address.
const gatewayTable = 100

// keepGateway makes what the agent sends from its own address leave by the gateway of its own network. Docker moves the default
// route to another network when the agent is connected to one whose name sorts before; the replies to remote clients of host
// ports, which came by the agent's own network, would then leave by the wrong one, and the host drops them.
func keepGateway(cfg Config) error {
	if !cfg.Gateway.IsValid() {
		return nil
	}
	link, err := linkOf(cfg.Address)
	if err != nil {
		return err
	}
	index := link.Attrs().Index
	near := &netlink.Route{LinkIndex: index, Dst: network(cfg.Subnet.Masked()), Scope: netlink.SCOPE_LINK, Table: gatewayTable}
	far := &netlink.Route{LinkIndex: index, Gw: cfg.Gateway.AsSlice(), Table: gatewayTable}
	for _, r := range []*netlink.Route{near, far} {
		if err := netlink.RouteReplace(r); err != nil {
			return fmt.Errorf("cannot add a route for %s by %s: %w", cfg.Address, cfg.Gateway, err)
		}
	}
	rule := netlink.NewRule()
	rule.Src, rule.Table, rule.Family = network(netip.PrefixFrom(cfg.Address, 32)), gatewayTable, netlink.FAMILY_V4
	if err := netlink.RuleAdd(rule); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("cannot add a routing rule for %s: %w", cfg.Address, err)
	}
	return nil
}

func network(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), 32)}
}
