package agent

import (
	"context"
	"net"
	"net/netip"
	"sync/atomic"

	"github.com/miekg/dns"
)

const (
	// chaseLimit bounds the CNAMEs followed for one question.
	chaseLimit = 8
	// ednsSize is the size of UDP replies the agent offers to take and, at most, to send.
	ednsSize = 4096
)

// resolver answers DNS questions: those of the zone from the table, all others by asking upstream.
type resolver struct {
	zone    zone
	index   *atomic.Pointer[index]
	forward *forwarder
	// docker asks Docker's name server, which knows the containers of the agent's networks.
	docker *forwarder
	turn   atomic.Uint32
	count  struct{ local, forwarded atomic.Int64 }
	// base is the context of forwarded queries; it ends when the agent stops.
	base context.Context
}

// ServeDNS answers one message.
func (r *resolver) ServeDNS(w dns.ResponseWriter, req *dns.Msg) {
	_, udp := w.RemoteAddr().(*net.UDPAddr)
	if resp := r.respond(r.base, req, udp); resp != nil {
		_ = w.WriteMsg(resp)
	}
}

// respond returns the reply to one message, or nil for messages without a reply.
func (r *resolver) respond(ctx context.Context, req *dns.Msg, udp bool) *dns.Msg {
	resp := new(dns.Msg)
	opt := req.IsEdns0()
	size := dns.MinMsgSize
	if opt != nil {
		size = min(max(size, int(opt.UDPSize())), ednsSize)
	}
	switch {
	case req.Response:
		return nil
	case req.Opcode != dns.OpcodeQuery:
		resp.SetRcode(req, dns.RcodeNotImplemented)
	case len(req.Question) != 1:
		resp.SetRcode(req, dns.RcodeFormatError)
	case req.Question[0].Qclass != dns.ClassINET && req.Question[0].Qclass != dns.ClassANY:
		resp.SetRcode(req, dns.RcodeRefused)
	case opt != nil && opt.Version() != 0:
		resp.SetRcode(req, dns.RcodeBadVers)
	default:
		resp = r.resolve(ctx, req)
	}
	if opt != nil {
		withEDNS(resp)
	}
	if udp {
		resp.Truncate(size)
	} else {
		resp.Truncate(dns.MaxMsgSize)
	}
	return resp
}

func (r *resolver) resolve(ctx context.Context, req *dns.Msg) *dns.Msg {
	q := req.Question[0]
	local := r.zone.answer(r.index.Load(), q, r.turn.Add(1))
	if !local.mine {
		r.count.forwarded.Add(1)
		return r.upstream(ctx, req)
	}
	if local.docker && (q.Qtype == dns.TypeA || q.Qtype == dns.TypeAAAA) {
		r.count.forwarded.Add(1)
		if resp := r.fromDocker(ctx, req); resp != nil {
			return resp
		}
	}
	r.count.local.Add(1)
	resp := new(dns.Msg)
	resp.SetRcode(req, local.rcode)
	resp.Authoritative = true
	resp.RecursionAvailable = true
	resp.Answer, resp.Extra = local.answer, local.extra
	if local.target != "" {
		resp.Answer = append(resp.Answer, r.chase(ctx, local.target, q.Qtype)...)
	}
	if len(resp.Answer) == 0 {
		resp.Ns = []dns.RR{r.zone.soa()}
	}
	return resp
}

// chase looks up the target of a CNAME. If that fails the reply has only the CNAME.
func (r *resolver) chase(ctx context.Context, name string, qtype uint16) (answer []dns.RR) {
	for range chaseLimit {
		q := dns.Question{Name: name, Qtype: qtype, Qclass: dns.ClassINET}
		local := r.zone.answer(r.index.Load(), q, r.turn.Add(1))
		if !local.mine {
			req := new(dns.Msg)
			req.SetQuestion(name, qtype)
			return append(answer, r.upstream(ctx, req).Answer...)
		}
		answer = append(answer, local.answer...)
		if local.target == "" {
			return answer
		}
		name = local.target
	}
	return answer
}

// fromDocker asks Docker's name server for a name of one label: a service, alias or container of the agent's networks. It
// returns nil if that knows no address of the name in the project's network: the pods can reach no other. Docker says nothing
// of IPv6 addresses that would tell a name without one from an unknown name, so that question gets an empty reply, never
// "no such name".
func (r *resolver) fromDocker(ctx context.Context, req *dns.Msg) *dns.Msg {
	q := req.Question[0]
	resp := new(dns.Msg)
	resp.SetReply(req)
	resp.RecursionAvailable = true
	if q.Qtype == dns.TypeAAAA {
		resp.Ns = []dns.RR{r.zone.soa()}
		return resp
	}
	found, err := r.docker.exchange(ctx, req)
	if err != nil {
		return nil
	}
	for _, rr := range found.Answer {
		a, ok := rr.(*dns.A)
		if !ok {
			continue
		}
		if addr, ok := netip.AddrFromSlice(a.A.To4()); ok && r.zone.subnet.Contains(addr) {
			resp.Answer = append(resp.Answer, &dns.A{Hdr: header(q.Name, dns.TypeA), A: a.A})
		}
	}
	if len(resp.Answer) == 0 {
		return nil
	}
	return resp
}

// upstream forwards a query to the resolvers outside. A timeout gives SERVFAIL.
func (r *resolver) upstream(ctx context.Context, req *dns.Msg) *dns.Msg {
	resp, err := r.forward.exchange(ctx, req)
	if err != nil {
		resp = new(dns.Msg)
		resp.SetRcode(req, dns.RcodeServerFailure)
		resp.RecursionAvailable = true
		return resp
	}
	resp.Id = req.Id
	resp.Question = req.Question
	return resp
}

// withEDNS makes the reply carry exactly one OPT record, the agent's.
func withEDNS(m *dns.Msg) {
	kept := m.Extra[:0:0]
	for _, rr := range m.Extra {
		if rr.Header().Rrtype != dns.TypeOPT {
			kept = append(kept, rr)
		}
	}
	m.Extra = kept
	m.SetEdns0(ednsSize, false)
	if m.Rcode > 0xf {
		m.IsEdns0().SetExtendedRcode(uint16(m.Rcode))
	}
}

// lookup finds an address of a name in the zone, for the dialer.
func (r *resolver) lookup(name string) (netip.Addr, bool) {
	q := dns.Question{Name: dns.Fqdn(name), Qtype: dns.TypeA, Qclass: dns.ClassINET}
	for _, rr := range r.zone.answer(r.index.Load(), q, r.turn.Add(1)).answer {
		if a, ok := rr.(*dns.A); ok {
			return netip.AddrFromSlice(a.A.To4())
		}
	}
	return netip.Addr{}, false
}
