package agent

import (
	"encoding/binary"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// flowMark is the connection mark of what is rewritten here. Docker rewrites connections to its name server in the same namespace.
// retryMark is that of connections that another endpoint may take; markMask is what both have in common.
const (
	flowMark  = 0x6c7964
	retryMark = flowMark | 1
	markMask  = ^uint32(1)
)

// Registers of 4 bytes, as unix.NFT_REG32_00 and the following. Values longer than 4 bytes go on in the next register.
const (
	reg0 = unix.NFT_REG32_00
	reg1 = unix.NFT_REG32_01
	reg2 = unix.NFT_REG32_02
)

func native(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }

// number is the key of a map for an element of a turn.
func number(i int) []byte { return native(uint32(i)) }

func goTo(chain string) *expr.Verdict { return &expr.Verdict{Kind: expr.VerdictGoto, Chain: chain} }

// serviceKey is the key of the services map. Every part fills whole registers.
func serviceKey(key frontKey) []byte {
	a := key.at.Addr().As4()
	out := append(a[:], protocolNumber(key.protocol), 0, 0, 0)
	return append(binary.BigEndian.AppendUint16(out, key.at.Port()), 0, 0)
}

// targetValue is an address with its port as a value of a map.
func targetValue(t netip.AddrPort) []byte {
	a := t.Addr().As4()
	return append(binary.BigEndian.AppendUint16(a[:], t.Port()), 0, 0)
}

func compare(op expr.CmpOp, data []byte) expr.Any {
	return &expr.Cmp{Op: op, Register: reg0, Data: data}
}

// fromLink matches packets that came by an interface; 0 matches all.
func fromLink(link int) []expr.Any {
	if link == 0 {
		return nil
	}
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyIIF, Register: reg0}, compare(expr.CmpOpEq, native(uint32(link)))}
}

// synOrUDP returns for TCP packets that do not open a connection: the middle of a connection that is not known here gets a
// reset from the agent's own TCP, not from an endpoint.
func synOrUDP() []expr.Any {
	const flags, syn = 13, 0x02
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg0}, compare(expr.CmpOpEq, []byte{unix.IPPROTO_TCP}),
		&expr.Payload{DestRegister: reg0, Base: expr.PayloadBaseTransportHeader, Offset: flags, Len: 1},
		&expr.Bitwise{SourceRegister: reg0, DestRegister: reg0, Len: 1, Mask: []byte{0x17}, Xor: []byte{0}},
		compare(expr.CmpOpNeq, []byte{syn}), &expr.Verdict{Kind: expr.VerdictReturn},
	}
}

// lookupService goes to the chain of the packet's destination, if it has one.
func lookupService(services *nftables.Set) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: reg0, Base: expr.PayloadBaseNetworkHeader, Offset: 16, Len: 4},
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg1},
		&expr.Payload{DestRegister: reg2, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Lookup{SourceRegister: reg0, IsDestRegSet: true, SetName: services.Name, SetID: services.ID},
	}
}

// dropInvalid drops TCP packets from the project's network that fit no known connection, such as duplicates that arrive late.
// They would reach the agent itself, whose reset would end the connection at the endpoint.
func dropInvalid(link int) []expr.Any {
	return append(fromLink(link),
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg0}, compare(expr.CmpOpEq, []byte{unix.IPPROTO_TCP}),
		&expr.Ct{Key: expr.CtKeySTATE, Register: reg0},
		&expr.Bitwise{SourceRegister: reg0, DestRegister: reg0, Len: 4, Mask: native(expr.CtStateBitINVALID), Xor: native(0)},
		compare(expr.CmpOpNeq, native(0)), &expr.Verdict{Kind: expr.VerdictDrop})
}

// marked matches packets of connections that were rewritten here.
func marked() []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeyMARK, Register: reg0},
		&expr.Bitwise{SourceRegister: reg0, DestRegister: reg0, Len: 4, Mask: native(markMask), Xor: native(0)},
		compare(expr.CmpOpEq, native(flowMark)),
	}
}

// noteRefusal hides from the client that an endpoint refused its connection, if there are other endpoints, and enters the endpoint
// into the set. The client's SYN comes again after 1 s, and then leads to another endpoint. Only the answer to a SYN has ACK,
// RST and the sequence number 0.
func noteRefusal(refused *nftables.Set) []expr.Any {
	const flags, rstAck, seq, reply = 13, 0x14, 4, 1
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeyMARK, Register: reg0}, compare(expr.CmpOpEq, native(retryMark)),
		&expr.Ct{Key: expr.CtKeyDIRECTION, Register: reg0}, compare(expr.CmpOpEq, []byte{reply}),
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg0}, compare(expr.CmpOpEq, []byte{unix.IPPROTO_TCP}),
		&expr.Payload{DestRegister: reg0, Base: expr.PayloadBaseTransportHeader, Offset: flags, Len: 1},
		&expr.Bitwise{SourceRegister: reg0, DestRegister: reg0, Len: 1, Mask: []byte{rstAck}, Xor: []byte{0}},
		compare(expr.CmpOpEq, []byte{rstAck}),
		&expr.Payload{DestRegister: reg0, Base: expr.PayloadBaseTransportHeader, Offset: seq, Len: 4},
		compare(expr.CmpOpEq, []byte{0, 0, 0, 0}),
		loadClient(),
		&expr.Payload{DestRegister: reg1, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 2},
		&expr.Dynset{SrcRegKey: reg0, SetName: refused.Name, SetID: refused.ID, Operation: unix.NFT_DYNSET_OP_UPDATE},
		&expr.Verdict{Kind: expr.VerdictDrop},
	}
}

func acceptMarked() []expr.Any { return append(marked(), &expr.Verdict{Kind: expr.VerdictAccept}) }

// sourceNAT counts a new connection and makes the agent's address its source.
func sourceNAT(own netip.Addr) []expr.Any {
	return append(marked(), &expr.Counter{}, &expr.Immediate{Register: reg0, Data: own.AsSlice()},
		&expr.NAT{Type: expr.NATTypeSourceNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: reg0})
}

// rewrite marks a connection and makes the address in reg0 with the port in reg1 its destination.
func rewrite(mark uint32) []expr.Any {
	return []expr.Any{
		&expr.Immediate{Register: reg2, Data: native(mark)}, &expr.Ct{Key: expr.CtKeyMARK, Register: reg2, SourceRegister: true},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: reg0, RegProtoMin: reg1},
	}
}

func destinationNAT(t netip.AddrPort) []expr.Any {
	return append([]expr.Any{
		&expr.Immediate{Register: reg0, Data: t.Addr().AsSlice()},
		&expr.Immediate{Register: reg1, Data: binary.BigEndian.AppendUint16(nil, t.Port())},
	}, rewrite(flowMark)...)
}

// inTurn puts 0, 1, ... of-1 into reg0, for every packet the next.
func inTurn(of int) expr.Any {
	return &expr.Numgen{Register: reg0, Modulus: uint32(of), Type: unix.NFT_NG_INCREMENTAL}
}

// inTurnNAT sends connections to the addresses of the map in turn. The turn of an endpoint that has refused a connection
// lately goes to the agent's listener, which tries the others.
func inTurnNAT(m, refused *nftables.Set, of int) []expr.Any {
	lookup := &expr.Lookup{SourceRegister: reg0, DestRegister: reg0, IsDestRegSet: true, SetName: m.Name, SetID: m.ID}
	not := &expr.Lookup{SourceRegister: reg0, SetName: refused.Name, SetID: refused.ID, Invert: true}
	return append([]expr.Any{inTurn(of), lookup, not}, rewrite(retryMark)...)
}

// inTurnGoTo sends connections to the chains of the map in turn.
func inTurnGoTo(m *nftables.Set, of int) []expr.Any {
	return []expr.Any{inTurn(of), &expr.Lookup{SourceRegister: reg0, IsDestRegSet: true, SetName: m.Name, SetID: m.ID}}
}

func loadClient() expr.Any {
	return &expr.Payload{DestRegister: reg0, Base: expr.PayloadBaseNetworkHeader, Offset: 12, Len: 4}
}

// isClient goes to a chain if the packet's source is in the set.
func isClient(clients *nftables.Set, chain string) []expr.Any {
	return []expr.Any{loadClient(), &expr.Lookup{SourceRegister: reg0, SetName: clients.Name, SetID: clients.ID}, goTo(chain)}
}

// enterClient adds the packet's source to the set, for the set's time from now.
func enterClient(clients *nftables.Set) []expr.Any {
	return []expr.Any{loadClient(), &expr.Dynset{SrcRegKey: reg0, SetName: clients.Name, SetID: clients.ID, Operation: unix.NFT_DYNSET_OP_UPDATE}}
}
