package agent

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"
)

// newTestResolver answers from a table; names outside go to the upstreams given.
func newTestResolver(table *Table, upstreams ...string) *resolver {
	ix := new(atomic.Pointer[index])
	ix.Store(newIndex(table))
	f := newForwarder([]string{"127.0.0.1:1"})
	f.upstreams = upstreams
	return &resolver{
		zone:  zone{own: netip.MustParseAddr("10.201.0.2"), subnet: netip.MustParsePrefix("10.201.0.0/22")},
		index: ix, forward: f, docker: newForwarder([]string{"127.0.0.1:1"}), base: context.Background(),
	}
}

func ask(name, qtype string) *dns.Msg {
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), dns.StringToType[qtype])
	return m
}

// text is a reply in a line: rcode, answers, and what is special.
func text(m *dns.Msg) string {
	part := func(rrs []dns.RR) string {
		var out []string
		for _, rr := range rrs {
			h := rr.Header()
			out = append(out, strings.TrimSpace(dns.TypeToString[h.Rrtype]+" "+strings.TrimPrefix(rr.String(), h.String())))
		}
		slices.Sort(out)
		return strings.Join(out, ", ")
	}
	s := dns.RcodeToString[m.Rcode]
	if len(m.Answer) > 0 {
		s += ": " + part(m.Answer)
	}
	if len(m.Extra) > 0 {
		s += " + " + part(m.Extra)
	}
	if len(m.Ns) > 0 {
		s += " SOA"
	}
	return s
}

func TestAnswers(t *testing.T) {
	const svc = ".default.svc.cluster.local"
	r := newTestResolver(sample())
	for _, c := range []struct{ name, qtype, want string }{
		// R125: a ClusterIP name is its address, with or without endpoints.
		{"web" + svc, "A", "NOERROR: A 10.201.2.1"},
		{"empty" + svc, "A", "NOERROR: A 10.201.2.2"},
		{"WeB.Default.SVC.cluster.LOCAL", "A", "NOERROR: A 10.201.2.1"},
		{"grafana.tools.svc.cluster.local", "A", "NOERROR: A 10.201.2.3"},
		{"web" + svc, "AAAA", "NOERROR SOA"},
		{"web" + svc, "MX", "NOERROR SOA"},
		{"nobody" + svc, "A", "NXDOMAIN SOA"},
		{"web.elsewhere.svc.cluster.local", "A", "NXDOMAIN SOA"},
		// R125: headless is the ready endpoints, NXDOMAIN without any; R123 counts all of them.
		{"db" + svc, "A", "NOERROR: A 10.201.0.10, A 10.201.0.11"},
		{"db" + svc, "AAAA", "NOERROR SOA"},
		{"db-all" + svc, "A", "NOERROR: A 10.201.0.10, A 10.201.0.11, A 10.201.0.12"},
		{"none" + svc, "A", "NXDOMAIN SOA"},
		{"none" + svc, "AAAA", "NXDOMAIN SOA"},
		{"portless" + svc, "A", "NOERROR: A 10.201.0.20"},
		{"portless" + svc, "SRV", "NOERROR SOA"},
		// R126: names of single pods; one that is not ready has none.
		{"db-0.db" + svc, "A", "NOERROR: A 10.201.0.10"},
		{"db-2.db" + svc, "A", "NXDOMAIN SOA"},
		{"db-0.db" + svc, "AAAA", "NOERROR SOA"},
		{"10-201-0-12.db-all" + svc, "A", "NOERROR: A 10.201.0.12"},
		{"10-201-0-20.web" + svc, "A", "NOERROR: A 10.201.0.20"},
		{"10-201-0-10.db" + svc, "A", "NXDOMAIN SOA"},
		// R127: SRV.
		{"_http._tcp.web" + svc, "SRV", "NOERROR: SRV 0 100 80 web.default.svc.cluster.local. + A 10.201.2.1"},
		{
			"_mysql._tcp.db" + svc, "SRV", "NOERROR: SRV 0 50 13306 db-0.db.default.svc.cluster.local., " +
				"SRV 0 50 13306 db-1.db.default.svc.cluster.local. + A 10.201.0.10, A 10.201.0.11",
		},
		{"_http._udp.web" + svc, "SRV", "NXDOMAIN SOA"},
		{"_dns._udp.web" + svc, "SRV", "NOERROR: SRV 0 100 53 web.default.svc.cluster.local. + A 10.201.2.1"},
		{"_other._tcp.web" + svc, "SRV", "NXDOMAIN SOA"},
		{"db-0.db" + svc, "SRV", "NOERROR: SRV 0 100 13306 db-0.db.default.svc.cluster.local. + A 10.201.0.10"},
		{"a._mysql._tcp.db" + svc, "SRV", "NXDOMAIN SOA"},
		// ExternalName.
		{"docs" + svc, "CNAME", "NOERROR: CNAME example.org."},
		{"docs" + svc, "A", "NOERROR: CNAME example.org."}, // and no resolver outside answers here
		{"alias" + svc, "A", "NOERROR: A 10.201.2.1, CNAME web.default.svc.cluster.local."},
		{"number" + svc, "A", "NXDOMAIN SOA"},
		{"_x._tcp.docs" + svc, "SRV", "NXDOMAIN SOA"},
		// Empty non-terminals, and what is under nothing.
		{"default.svc.cluster.local", "A", "NOERROR SOA"},
		{"svc.cluster.local", "A", "NOERROR SOA"},
		{"default.pod.cluster.local", "A", "NOERROR SOA"},
		{"elsewhere.svc.cluster.local", "A", "NXDOMAIN SOA"},
		{"web.cluster.local", "A", "NXDOMAIN SOA"},
		{"web.default.svc.cluster.local.default.svc.cluster.local", "A", "NXDOMAIN SOA"},
		// The zone itself.
		{"cluster.local", "NS", "NOERROR: NS ns.dns.cluster.local. + A 10.201.0.2"},
		{"cluster.local", "A", "NOERROR SOA"},
		{"ns.dns.cluster.local", "A", "NOERROR: A 10.201.0.2"},
		{"dns-version.cluster.local", "TXT", `NOERROR: TXT "1.1.0"`},
		// Pods by address.
		{"10-201-0-77.default.pod.cluster.local", "A", "NOERROR: A 10.201.0.77"},
		{"web-a.default.pod.cluster.local", "A", "NXDOMAIN SOA"},
		{"10-201-0-77.elsewhere.pod.cluster.local", "A", "NXDOMAIN SOA"},
		// Addresses to names.
		{"1.2.201.10.in-addr.arpa", "PTR", "NOERROR: PTR web.default.svc.cluster.local."},
		{"10.0.201.10.in-addr.arpa", "PTR", "NOERROR: PTR db-0.db.default.svc.cluster.local."},
		{"12.0.201.10.in-addr.arpa", "PTR", "NXDOMAIN SOA"},
		{"20.0.201.10.in-addr.arpa", "PTR", "NXDOMAIN SOA"},
		{"1.2.201.10.in-addr.arpa", "A", "NOERROR SOA"},
		// Names to which no search domain was applied.
		{"web", "A", "NOERROR: A 10.201.2.1"},
		{"web", "AAAA", "NOERROR SOA"},
		{"web.default", "A", "NOERROR: A 10.201.2.1"},
		{"web.default.svc", "A", "NOERROR: A 10.201.2.1"},
		{"db-0.db", "A", "NOERROR: A 10.201.0.10"},
		{"_http._tcp.web", "SRV", "NOERROR: SRV 0 100 80 web.default.svc.cluster.local. + A 10.201.2.1"},
		{"none", "A", "NXDOMAIN SOA"},
		{"default", "A", "NXDOMAIN SOA"},
		{"nobody", "A", "NXDOMAIN SOA"}, // not forwarded
		{"localhost", "A", "NOERROR: A 127.0.0.1"},
		// Outside: forwarded, and no resolver is there.
		{"example.org", "A", "SERVFAIL"},
		{"1.2.0.192.in-addr.arpa", "PTR", "SERVFAIL"},
		{".", "NS", "SERVFAIL"},
	} {
		t.Run(c.name+" "+c.qtype, func(t *testing.T) {
			resp := r.respond(context.Background(), ask(c.name, c.qtype), false)
			if got := text(resp); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			for _, rr := range slices.Concat(resp.Answer, resp.Ns) {
				if rr.Header().Ttl != ttl {
					t.Errorf("TTL of %s", rr)
				}
			}
		})
	}
}

func TestAnswerKeepsTheSpellingOfTheQuestion(t *testing.T) {
	resp := newTestResolver(sample()).respond(context.Background(), ask("wEb.DEFAULT.svc.cluster.local", "A"), true)
	if got := resp.Answer[0].Header().Name; got != "wEb.DEFAULT.svc.cluster.local." || !resp.Authoritative {
		t.Errorf("owner %s, authoritative %v", got, resp.Authoritative)
	}
}

func TestCNAMELoopEnds(t *testing.T) {
	resp := newTestResolver(sample()).respond(context.Background(), ask("loop.default.svc.cluster.local", "A"), true)
	if len(resp.Answer) != chaseLimit+1 {
		t.Errorf("%d answers", len(resp.Answer))
	}
}

func TestHeadlessRotates(t *testing.T) {
	r := newTestResolver(sample())
	first := map[string]int{}
	for range 30 {
		resp := r.respond(context.Background(), ask("db-all", "A"), true)
		if len(resp.Answer) != 3 {
			t.Fatalf("reply %s", resp)
		}
		first[resp.Answer[0].(*dns.A).A.String()]++
	}
	for addr, n := range first {
		if n != 10 {
			t.Errorf("%s was first %d times of 30", addr, n)
		}
	}
	if len(first) != 3 {
		t.Errorf("first answers %v", first)
	}
}

// bigTable is a headless Service of n ready pods.
func bigTable(n int) *Table {
	table := &Table{Format: TableFormat, Services: []Service{{
		Namespace: "default", Name: "big", Ports: []ServicePort{{Name: "x", Protocol: TCP, Port: 1}},
		Subsets: []Subset{{Ports: []uint16{1}}},
	}}}
	for i := range n {
		table.Pods = append(table.Pods, Pod{
			Name: fmt.Sprint("big-", i), Ready: true, Hostname: fmt.Sprint("big-", i), Subdomain: "big",
			Address: netip.AddrFrom4([4]byte{10, 201, byte(i >> 8), byte(i)}),
		})
		table.Services[0].Subsets[0].Pods = append(table.Services[0].Subsets[0].Pods, i)
	}
	return table
}

func TestTruncation(t *testing.T) {
	r := newTestResolver(bigTable(200))
	ctx := context.Background()
	plain := r.respond(ctx, ask("big", "A"), true)
	if raw, _ := plain.Pack(); !plain.Truncated || len(raw) > 512 {
		t.Errorf("UDP: %d bytes, truncated %v", len(raw), plain.Truncated)
	}
	q := ask("big", "A")
	q.SetEdns0(1232, false)
	edns := r.respond(ctx, q, true)
	if raw, _ := edns.Pack(); !edns.Truncated || len(raw) > 1232 || len(raw) < 600 || edns.IsEdns0() == nil {
		t.Errorf("EDNS: %d bytes, truncated %v", len(raw), edns.Truncated)
	}
	q = ask("big", "A")
	q.SetEdns0(65000, false)
	if large := r.respond(ctx, q, true); large.Truncated || len(large.Answer) != 200 {
		t.Errorf("EDNS 4096: %d answers, truncated %v", len(large.Answer), large.Truncated)
	}
	if tcp := r.respond(ctx, ask("big", "A"), false); tcp.Truncated || len(tcp.Answer) != 200 {
		t.Errorf("TCP: %d answers, truncated %v", len(tcp.Answer), tcp.Truncated)
	}
}

func TestOddQuestions(t *testing.T) {
	r := newTestResolver(sample())
	rcode := func(change func(*dns.Msg)) string {
		q := ask("web", "A")
		change(q)
		resp := r.respond(context.Background(), q, true)
		if resp == nil {
			return "none"
		}
		return dns.RcodeToString[resp.Rcode]
	}
	for want, change := range map[string]func(*dns.Msg){
		"none":    func(m *dns.Msg) { m.Response = true },
		"NOTIMP":  func(m *dns.Msg) { m.Opcode = dns.OpcodeUpdate },
		"FORMERR": func(m *dns.Msg) { m.Question = nil },
		"REFUSED": func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS },
		"BADVERS": func(m *dns.Msg) { m.SetEdns0(1232, false); m.IsEdns0().SetVersion(1) },
	} {
		if got := rcode(change); got != want && !(want == "BADVERS" && got == "BADSIG") { // one number, two names
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func FuzzDNS(f *testing.F) {
	for _, q := range []*dns.Msg{ask("web", "A"), ask("_mysql._tcp.db.default.svc.cluster.local", "SRV"), ask("1.2.201.10.in-addr.arpa", "PTR")} {
		raw, _ := q.Pack()
		f.Add(raw)
	}
	r := newTestResolver(sample())
	f.Fuzz(func(t *testing.T, raw []byte) {
		q := new(dns.Msg)
		if q.Unpack(raw) != nil {
			return
		}
		resp := r.respond(context.Background(), q, true)
		if resp == nil {
			return
		}
		out, err := resp.Pack()
		if err != nil {
			t.Fatalf("reply to %s cannot be sent: %v", q, err)
		}
		if len(out) > ednsSize {
			t.Fatalf("reply of %d bytes", len(out))
		}
	})
}

// TestFurtherNames: a Service answers to the names that a Compose file has for it, whether or not Kubernetes allows them.
func TestFurtherNames(t *testing.T) {
	r := newTestResolver(&Table{
		Pods: []Pod{{Name: "db-0", UID: "u", Address: netip.MustParseAddr("10.201.0.9"), Ready: true}},
		Services: []Service{{
			Namespace: namespace, Name: "my-db", Names: []string{"my_db", "auth.local", "a.b.c.d.e.f.g"}, Subsets: []Subset{{Pods: []int{0}}},
		}},
	})
	for name, want := range map[string]string{
		"my-db": "NOERROR: A 10.201.0.9", "my_db": "NOERROR: A 10.201.0.9", "My_DB": "NOERROR: A 10.201.0.9", "auth.local": "NOERROR: A 10.201.0.9",
		"my_db.default.svc.cluster.local": "NOERROR: A 10.201.0.9", "a.b.c.d.e.f.g": "NOERROR: A 10.201.0.9", "my_db.kube-system.svc.cluster.local": "NXDOMAIN SOA",
	} {
		if got := text(r.respond(t.Context(), ask(name, "A"), false)); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
