package agent

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Flows implements kernelPath.
func (n *nft) Flows() ([]flow, int64, error) {
	var all []flow
	list, err := netlink.ConntrackTableList(netlink.ConntrackTable, netlink.FAMILY_V4)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) { // that changes more than it tells: the list is nearly right
		return nil, 0, fmt.Errorf("cannot list the kernel's connections: %w", err)
	}
	for _, c := range list {
		if f, ok := flowOf(c); ok {
			all = append(all, f)
		}
	}
	rules, err := n.conn.GetRules(n.table, n.snat)
	if err != nil {
		return nil, 0, fmt.Errorf("cannot read the count of connections: %w", err)
	}
	var count int64
	for _, r := range rules {
		for _, e := range r.Exprs {
			if c, ok := e.(*expr.Counter); ok {
				count += int64(c.Packets)
			}
		}
	}
	return all, count, nil
}

// matcher is a netlink.CustomConntrackFilter.
type matcher func(*netlink.ConntrackFlow) bool

// MatchConntrackFlow implements netlink.CustomConntrackFilter.
func (m matcher) MatchConntrackFlow(c *netlink.ConntrackFlow) bool { return m(c) }

// Cut implements kernelPath.
func (n *nft) Cut(match func(flow) bool) error {
	var established []flow
	_, err := netlink.ConntrackDeleteFilters(netlink.ConntrackTable, netlink.FAMILY_V4, matcher(func(c *netlink.ConntrackFlow) bool {
		f, ok := flowOf(c)
		if !ok || !match(f) {
			return false
		}
		if f.open && f.protocol == TCP {
			established = append(established, f)
		}
		return true
	}))
	for _, f := range established {
		n.resets.reset(f.at, f.client)
		n.resets.reset(f.own, f.target)
	}
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return err
	}
	return nil
}

// The states of a TCP connection in the kernel's list in which at least one side may still send.
const (
	tcpEstablished = 3
	tcpCloseWait   = 5
)

func flowOf(c *netlink.ConntrackFlow) (f flow, ok bool) {
	switch c.Forward.Protocol {
	case unix.IPPROTO_TCP:
		f.protocol = TCP
		info, known := c.ProtoInfo.(*netlink.ProtoInfoTCP)
		f.open = known && info.State >= tcpEstablished && info.State <= tcpCloseWait
	case unix.IPPROTO_UDP:
		f.protocol, f.open = UDP, true
	default:
		return f, false
	}
	f.client, f.at = addrPort(c.Forward.SrcIP, c.Forward.SrcPort), addrPort(c.Forward.DstIP, c.Forward.DstPort)
	f.target, f.own = addrPort(c.Reverse.SrcIP, c.Reverse.SrcPort), addrPort(c.Reverse.DstIP, c.Reverse.DstPort)
	return f, true
}

func addrPort(ip net.IP, port uint16) netip.AddrPort {
	a, _ := netip.AddrFromSlice(ip.To4())
	return netip.AddrPortFrom(a, port)
}

// Attributes of a link message for the IPv4 settings of one interface, from linux/if_link.h and linux/ip.h.
const (
	inetConf         = 1
	confForwarding   = 1
	confSendRedirect = 6
)

// forwardFrom lets the kernel forward packets that come from an interface, and tell nobody a shorter way. It needs NET_ADMIN, but
// not /proc/sys, which is read-only in containers.
func forwardFrom(link int) error {
	req := nl.NewNetlinkRequest(unix.RTM_SETLINK, unix.NLM_F_ACK)
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(link)
	req.AddData(msg)
	spec := nl.NewRtAttr(unix.IFLA_AF_SPEC, nil)
	conf := spec.AddRtAttr(unix.AF_INET, nil).AddRtAttr(inetConf, nil)
	conf.AddRtAttr(confForwarding, nl.Uint32Attr(1))
	conf.AddRtAttr(confSendRedirect, nl.Uint32Attr(0))
	req.AddData(spec)
	if _, err := req.Execute(unix.NETLINK_ROUTE, 0); err != nil {
		return fmt.Errorf("cannot switch forwarding on: %w", err)
	}
	return nil
}
