package agent

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net/netip"

	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Flows implements kernelPath.
func (n *nft) Flows() ([]flow, int64, error) {
	var all []flow
	err := listFlows(query{marked: true}, func(f flow, _ []byte) { all = append(all, f) })
	if err != nil {
		return nil, 0, err
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

// Cut implements kernelPath.
func (n *nft) Cut(queries []query, match func(flow) bool) error {
	var errs []error
	for _, q := range queries {
		errs = append(errs, listFlows(q, func(f flow, entry []byte) {
			if !match(f) {
				return
			}
			req := conntrackRequest(nl.IPCTNL_MSG_CT_DELETE, unix.NLM_F_ACK)
			req.AddRawData(entry)
			if _, err := req.Execute(unix.NETLINK_NETFILTER, 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, fmt.Errorf("cannot delete a connection: %w", err))
				return
			}
			if f.open && f.protocol == TCP {
				n.resets.reset(f.at, f.client)
				n.resets.reset(f.own, f.target)
			}
		}))
	}
	return errors.Join(errs...)
}

func conntrackRequest(operation, flags int) *nl.NetlinkRequest {
	req := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_CTNETLINK<<8|operation, flags)
	req.AddData(&nl.Nfgenmsg{NfgenFamily: unix.AF_INET, Version: nl.NFNETLINK_V0})
	return req
}

// Attributes and flags of linux/netfilter/nfnetlink_conntrack.h that the netlink library lacks. Kernels before 5.8 ignore filters.
const (
	ctaMarkMask   = 21
	ctaFilter     = 25
	ctaOrigFlags  = 1
	ctaReplyFlags = 2
	filterSource  = 1 << 0
	filterDest    = 1 << 1
	filterProto   = 1 << 3
)

// listFlows calls each with the kernel's flows that fit a query, and their attributes. There may be others among them.
func listFlows(q query, each func(flow, []byte)) error {
	req := conntrackRequest(nl.IPCTNL_MSG_CT_GET, unix.NLM_F_DUMP)
	addFilter(req, q)
	entries, err := req.Execute(unix.NETLINK_NETFILTER, 0)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) { // then the list is that of a moment that did not exist
		return fmt.Errorf("cannot list the kernel's connections: %w", err)
	}
	for _, e := range entries {
		if len(e) < nl.SizeofNfgenmsg {
			continue
		}
		if f, ok := flowOf(e[nl.SizeofNfgenmsg:]); ok {
			each(f, e[nl.SizeofNfgenmsg:])
		}
	}
	return nil
}

func addFilter(req *nl.NetlinkRequest, q query) {
	if q.marked {
		req.AddData(nl.NewRtAttr(nl.CTA_MARK, nl.BEUint32Attr(flowMark)))
		req.AddData(nl.NewRtAttr(ctaMarkMask, nl.BEUint32Attr(markMask)))
	}
	orig, reply := nl.NewRtAttr(unix.NLA_F_NESTED|nl.CTA_TUPLE_ORIG, nil), nl.NewRtAttr(unix.NLA_F_NESTED|nl.CTA_TUPLE_REPLY, nil)
	var origFlags, replyFlags uint32
	if q.at.IsValid() {
		origFlags |= filterDest
		orig.AddRtAttr(unix.NLA_F_NESTED|nl.CTA_TUPLE_IP, nil).AddRtAttr(nl.CTA_IP_V4_DST, q.at.AsSlice())
	}
	if q.protocol != "" {
		origFlags |= filterProto
		orig.AddRtAttr(unix.NLA_F_NESTED|nl.CTA_TUPLE_PROTO, nil).AddRtAttr(nl.CTA_PROTO_NUM, []byte{protocolNumber(q.protocol)})
	}
	if q.target.IsValid() {
		replyFlags |= filterSource
		reply.AddRtAttr(unix.NLA_F_NESTED|nl.CTA_TUPLE_IP, nil).AddRtAttr(nl.CTA_IP_V4_SRC, q.target.AsSlice())
	}
	if origFlags|replyFlags == 0 {
		return
	}
	filter := nl.NewRtAttr(unix.NLA_F_NESTED|ctaFilter, nil)
	filter.AddRtAttr(ctaOrigFlags, nl.Uint32Attr(origFlags))
	filter.AddRtAttr(ctaReplyFlags, nl.Uint32Attr(replyFlags))
	req.AddData(filter)
	if origFlags != 0 {
		req.AddData(orig)
	}
	if replyFlags != 0 {
		req.AddData(reply)
	}
}

func protocolNumber(protocol string) byte {
	if protocol == UDP {
		return unix.IPPROTO_UDP
	}
	return unix.IPPROTO_TCP
}

// The states of a TCP connection in the kernel's list in which at least one side may still send.
const (
	tcpEstablished = nl.TCP_CONNTRACK_ESTABLISHED
	tcpCloseWait   = nl.TCP_CONNTRACK_CLOSE_WAIT
)

// flowOf reads the attributes of a flow; false if it is neither TCP nor UDP.
func flowOf(entry []byte) (f flow, ok bool) {
	var protocol, state byte
	for kind, value := range attributes(entry) {
		switch kind {
		case nl.CTA_TUPLE_ORIG:
			f.client, f.at, protocol = tuple(value)
		case nl.CTA_TUPLE_REPLY:
			f.target, f.own, _ = tuple(value)
		case nl.CTA_PROTOINFO:
			for kind, tcp := range attributes(value) {
				for of, v := range attributes(tcp) {
					if kind == nl.CTA_PROTOINFO_TCP && of == nl.CTA_PROTOINFO_TCP_STATE && len(v) > 0 {
						state = v[0]
					}
				}
			}
		}
	}
	switch protocol {
	case unix.IPPROTO_TCP:
		f.protocol, f.open = TCP, state >= tcpEstablished && state <= tcpCloseWait
	case unix.IPPROTO_UDP:
		f.protocol, f.open = UDP, true
	}
	return f, f.protocol != ""
}

// tuple reads source, destination and protocol of one direction.
func tuple(b []byte) (source, destination netip.AddrPort, protocol byte) {
	var from, to netip.Addr
	var fromPort, toPort uint16
	for kind, part := range attributes(b) {
		for of, v := range attributes(part) {
			switch {
			case kind == nl.CTA_TUPLE_IP && of == nl.CTA_IP_V4_SRC:
				from, _ = netip.AddrFromSlice(v)
			case kind == nl.CTA_TUPLE_IP && of == nl.CTA_IP_V4_DST:
				to, _ = netip.AddrFromSlice(v)
			case kind == nl.CTA_TUPLE_PROTO && of == nl.CTA_PROTO_NUM && len(v) == 1:
				protocol = v[0]
			case kind == nl.CTA_TUPLE_PROTO && of == nl.CTA_PROTO_SRC_PORT && len(v) == 2:
				fromPort = binary.BigEndian.Uint16(v)
			case kind == nl.CTA_TUPLE_PROTO && of == nl.CTA_PROTO_DST_PORT && len(v) == 2:
				toPort = binary.BigEndian.Uint16(v)
			}
		}
	}
	return netip.AddrPortFrom(from, fromPort), netip.AddrPortFrom(to, toPort), protocol
}

// attributes yields the type and value of each netlink attribute in b.
func attributes(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= unix.SizeofNlAttr {
			size := int(binary.NativeEndian.Uint16(b))
			if size < unix.SizeofNlAttr || size > len(b) {
				return
			}
			kind := binary.NativeEndian.Uint16(b[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
			if !yield(kind, b[unix.SizeofNlAttr:size]) {
				return
			}
			b = b[min(len(b), (size+unix.NLA_ALIGNTO-1)&^(unix.NLA_ALIGNTO-1)):]
		}
	}
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
