package agent

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

const (
	// zoneName is the cluster's zone, and namespace the one whose search list pods have (R128).
	zoneName  = "cluster.local."
	namespace = "default"
	// ttl in seconds. It is short, so that clients notice new and removed pods within five seconds. VIPs never change.
	ttl = 5
	// ndots is that of the pods' resolv.conf: a name with fewer dots goes through the search list.
	ndots = 5
)

// searchList is that of the pods' resolv.conf (R128).
var searchList = []string{namespace + ".svc." + zoneName, "svc." + zoneName, zoneName}

// zone answers queries for the cluster's names from an index, like the kubernetes plugin of CoreDNS with its default settings
// (pods insecure). It does no I/O.
type zone struct {
	own    netip.Addr
	subnet netip.Prefix
}

// reply is the zone's reply to one query.
type reply struct {
	// mine is false for names outside the zone, which are forwarded. Docker is true for names of one label that only Docker's name
	// server may know.
	mine   bool
	docker bool
	rcode  int
	answer []dns.RR
	extra  []dns.RR
	// target is the name that a CNAME led to and that is still to be looked up, or "".
	target string
}

var (
	notMine  = reply{}
	noName   = reply{mine: true, rcode: dns.RcodeNameError}
	noRecord = reply{mine: true}
)

// record is one thing a name stands for: an address and port under an owner name.
type record struct {
	owner string
	addr  netip.Addr
	port  uint16
}

// found is what a name in the zone stands for.
type found struct {
	exists  bool // false is NXDOMAIN
	service bool // exists because a Service (or pod) matched, not as an empty non-terminal
	records []record
	cname   string
}

// answer replies to one question. Turn rotates lists of records from one question to the next.
func (z zone) answer(ix *index, q dns.Question, turn uint32) reply {
	name := strings.ToLower(q.Name)
	switch {
	case name == "localhost." || strings.HasSuffix(name, ".localhost."):
		return z.reply(q, found{exists: true, records: []record{{owner: name, addr: netip.AddrFrom4([4]byte{127, 0, 0, 1})}}}, 0)
	case dns.IsSubDomain(zoneName, name):
		return z.inZone(ix, q, name, turn)
	case strings.HasSuffix(name, ".in-addr.arpa."):
		return z.inReverse(ix, q, name)
	}
	if s := ix.named[strings.TrimSuffix(name, ".")]; s != nil && strings.Contains(strings.TrimSuffix(name, "."), ".") {
		return z.reply(q, z.findService(ix, s, "", ""), turn)
	}
	if dns.CountLabel(name) > ndots {
		return notMine
	}
	// Docker's embedded resolver also forwards names to which no search domain was applied.
	for _, suffix := range searchList {
		if f := z.find(ix, name+suffix); f.service {
			return z.reply(q, f, turn)
		}
	}
	if dns.CountLabel(name) == 1 {
		// No public name has a single label, so no resolver outside is asked.
		return reply{mine: true, docker: ix.table.DockerNames, rcode: dns.RcodeNameError}
	}
	return notMine
}

// inZone replies for a name in the cluster's zone; it is never forwarded.
func (z zone) inZone(ix *index, q dns.Question, name string, turn uint32) reply {
	switch {
	case name == zoneName && q.Qtype == dns.TypeSOA:
		return reply{mine: true, answer: []dns.RR{z.soa()}}
	case name == zoneName && q.Qtype == dns.TypeNS:
		ns := &dns.NS{Hdr: header(q.Name, dns.TypeNS), Ns: "ns.dns." + zoneName}
		glue := &dns.A{Hdr: header(ns.Ns, dns.TypeA), A: z.own.AsSlice()}
		return reply{mine: true, answer: []dns.RR{ns}, extra: []dns.RR{glue}}
	case name == "ns.dns."+zoneName:
		return z.reply(q, found{exists: true, records: []record{{owner: name, addr: z.own}}}, 0)
	case name == "dns-version."+zoneName:
		if q.Qtype != dns.TypeTXT {
			return noRecord
		}
		return reply{mine: true, answer: []dns.RR{&dns.TXT{Hdr: header(q.Name, dns.TypeTXT), Txt: []string{"1.1.0"}}}}
	}
	return z.reply(q, z.find(ix, name), turn)
}

// inReverse replies to address-to-name questions about the project's subnet.
func (z zone) inReverse(ix *index, q dns.Question, name string) reply {
	labels := dns.SplitDomainName(strings.TrimSuffix(name, ".in-addr.arpa."))
	slices.Reverse(labels)
	addr, err := netip.ParseAddr(strings.Join(labels, "."))
	if err != nil || !z.subnet.Contains(addr) {
		return notMine
	}
	names := ix.names(addr)
	if len(names) == 0 {
		return noName
	}
	r := noRecord
	if q.Qtype == dns.TypePTR {
		for _, n := range names {
			r.answer = append(r.answer, &dns.PTR{Hdr: header(q.Name, dns.TypePTR), Ptr: n + zoneName})
		}
	}
	return r
}

// find says what a name in the zone stands for. Name is in lower case and ends in zoneName.
func (z zone) find(ix *index, name string) found {
	labels := dns.SplitDomainName(strings.TrimSuffix(name, zoneName))
	n := len(labels)
	if n == 0 {
		return found{exists: true}
	}
	class := labels[n-1]
	switch {
	case class != "svc" && class != "pod", n > 5:
		return found{}
	case n == 1:
		return found{exists: true}
	case !ix.namespaces[labels[n-2]]:
		return found{}
	case n == 2:
		return found{exists: true}
	case class == "pod":
		return z.findPod(name, labels)
	}
	s := ix.service(labels[n-2], labels[n-3])
	if s == nil {
		return found{}
	}
	switch n {
	case 4:
		return z.findEndpoints(ix, s, func(p *Pod) bool { return endpointName(s, p) == labels[0] }, "", "")
	case 5:
		port, protocol := strings.TrimPrefix(labels[0], "_"), strings.TrimPrefix(labels[1], "_")
		return z.findService(ix, s, port, protocol)
	}
	return z.findService(ix, s, "", "")
}

// findPod: `10-0-0-5.default.pod.cluster.local` is 10.0.0.5, whether or not a pod has that address.
func (z zone) findPod(name string, labels []string) found {
	if len(labels) != 3 {
		return found{}
	}
	addr, err := netip.ParseAddr(strings.ReplaceAll(labels[0], "-", "."))
	if err != nil || !addr.Is4() {
		return found{}
	}
	return found{exists: true, service: true, records: []record{{owner: name, addr: addr}}}
}

// findService is the name of a Service itself, or of one of its ports: R125, R127.
func (z zone) findService(ix *index, s *Service, port, protocol string) found {
	if s.ExternalName != "" {
		if _, err := netip.ParseAddr(s.ExternalName); err == nil || port != "" || protocol != "" {
			return found{}
		}
		return found{exists: true, service: true, cname: dns.Fqdn(s.ExternalName)}
	}
	if !s.VIP.IsValid() {
		return z.findEndpoints(ix, s, func(*Pod) bool { return true }, port, protocol)
	}
	f := found{}
	owner := s.Name + "." + s.Namespace + ".svc." + zoneName
	for _, p := range s.Ports {
		if matchPort(p, port, protocol) {
			f.exists, f.service = true, true
			f.records = append(f.records, record{owner: owner, addr: s.VIP, port: p.Port})
		}
	}
	return f
}

// findEndpoints are the ready endpoints that match (R125-R127), but for containers that are in other Docker networks: the pods
// cannot reach them. A Service without ports has endpoints too.
func (z zone) findEndpoints(ix *index, s *Service, match func(*Pod) bool, port, protocol string) found {
	f := found{}
	ix.endpoints(s, func(e endpoint) bool {
		if !e.ready || !z.subnet.Contains(e.pod.Address) || !match(e.pod) {
			return true
		}
		owner := endpointName(s, e.pod) + "." + s.Name + "." + s.Namespace + ".svc." + zoneName
		if len(s.Ports) == 0 && port == "" {
			f.records = append(f.records, record{owner: owner, addr: e.pod.Address})
		}
		for i, p := range s.Ports {
			if e.ports[i] != 0 && matchPort(p, port, protocol) {
				f.records = append(f.records, record{owner: owner, addr: e.pod.Address, port: e.ports[i]})
			}
		}
		return true
	})
	f.exists = len(f.records) > 0
	f.service = f.exists
	return f
}

func matchPort(p ServicePort, port, protocol string) bool {
	return (port == "" || port == p.Name) && (protocol == "" || protocol == strings.ToLower(p.Protocol))
}

// reply turns what a name stands for into records of the type asked for.
func (z zone) reply(q dns.Question, f found, turn uint32) reply {
	if !f.exists {
		return noName
	}
	r := noRecord
	if f.cname != "" {
		r.answer = []dns.RR{&dns.CNAME{Hdr: header(q.Name, dns.TypeCNAME), Target: f.cname}}
		if q.Qtype != dns.TypeCNAME {
			r.target = f.cname
		}
		return r
	}
	switch q.Qtype {
	case dns.TypeA:
		for _, rec := range distinct(f.records, turn) {
			r.answer = append(r.answer, &dns.A{Hdr: header(q.Name, dns.TypeA), A: rec.addr.AsSlice()})
		}
	case dns.TypeSRV:
		r.answer, r.extra = services(q.Name, f.records)
	}
	return r
}

// distinct returns one record per address, starting at a different one every turn.
func distinct(records []record, turn uint32) []record {
	seen := make(map[netip.Addr]bool, len(records))
	out := make([]record, 0, len(records))
	for _, r := range records {
		if !seen[r.addr] {
			seen[r.addr] = true
			out = append(out, r)
		}
	}
	if n := uint32(len(out)); n > 1 {
		k := turn % n
		out = append(slices.Clone(out[k:]), out[:k]...)
	}
	return out
}

// services are SRV records, with the addresses of their targets. Records without a port have none.
func services(name string, records []record) (answer, extra []dns.RR) {
	owners := make(map[string]bool, len(records))
	weight := uint16(max(1, 100/max(1, len(records))))
	for _, r := range records {
		if r.port == 0 {
			continue
		}
		answer = append(answer, &dns.SRV{Hdr: header(name, dns.TypeSRV), Weight: weight, Port: r.port, Target: r.owner})
		if !owners[r.owner] {
			owners[r.owner] = true
			extra = append(extra, &dns.A{Hdr: header(r.owner, dns.TypeA), A: r.addr.AsSlice()})
		}
	}
	return answer, extra
}

// soa is added to every negative reply, so that it is cached no longer than positive ones.
func (z zone) soa() dns.RR {
	return &dns.SOA{
		Hdr: header(zoneName, dns.TypeSOA), Ns: "ns.dns." + zoneName, Mbox: "hostmaster." + zoneName,
		Serial: uint32(now().Unix()), Refresh: 7200, Retry: 1800, Expire: 86400, Minttl: ttl,
	}
}

func header(name string, rtype uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: rtype, Class: dns.ClassINET, Ttl: ttl}
}
