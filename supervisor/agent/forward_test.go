package agent

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// upstream is a resolver outside that answers every question with handle; nil does not answer.
func upstream(t *testing.T, handle func(q *dns.Msg, udp bool) *dns.Msg) (addr string, asked *atomic.Int64) {
	t.Helper()
	asked = new(atomic.Int64)
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		asked.Add(1)
		_, udp := w.RemoteAddr().(*net.UDPAddr)
		if m := handle(q, udp); m != nil {
			_ = w.WriteMsg(m)
		}
	})
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	pc, err := net.ListenPacket("udp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*dns.Server{{Listener: l, Handler: handler}, {PacketConn: pc, Handler: handler}} {
		ready, done := make(chan struct{}), make(chan struct{})
		s.NotifyStartedFunc = func() { close(ready) }
		go func() { defer close(done); _ = s.ActivateAndServe() }()
		<-ready
		t.Cleanup(func() { _ = s.Shutdown(); <-done })
	}
	return l.Addr().String(), asked
}

func answerA(q *dns.Msg, addr string, n int) *dns.Msg {
	m := new(dns.Msg)
	m.SetReply(q)
	for range n {
		m.Answer = append(m.Answer, &dns.A{
			Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60}, A: net.ParseIP(addr),
		})
	}
	return m
}

func forwarded(t *testing.T, r *resolver, name string) string {
	t.Helper()
	return text(r.respond(context.Background(), ask(name, "A"), true))
}

func TestForwardFallsBack(t *testing.T) {
	broken, _ := upstream(t, func(q *dns.Msg, _ bool) *dns.Msg { return new(dns.Msg).SetRcode(q, dns.RcodeServerFailure) })
	good, _ := upstream(t, func(q *dns.Msg, _ bool) *dns.Msg { return answerA(q, "192.0.2.9", 1) })
	r := newTestResolver(sample(), "127.0.0.1:1", broken, good)
	if got := forwarded(t, r, "example.org"); got != "NOERROR: A 192.0.2.9" {
		t.Error(got)
	}
}

func TestForwardDoesNotWaitForASlowResolver(t *testing.T) {
	silent, _ := upstream(t, func(*dns.Msg, bool) *dns.Msg { return nil })
	good, _ := upstream(t, func(q *dns.Msg, _ bool) *dns.Msg { return answerA(q, "192.0.2.9", 1) })
	before := time.Now()
	r := newTestResolver(sample(), silent, good)
	if got := forwarded(t, r, "example.org"); got != "NOERROR: A 192.0.2.9" || time.Since(before) >= forwardTimeout {
		t.Error(got, time.Since(before))
	}
}

func TestForwardGivesUp(t *testing.T) {
	silent, _ := upstream(t, func(*dns.Msg, bool) *dns.Msg { return nil })
	r := newTestResolver(sample(), silent)
	before := time.Now()
	if got := forwarded(t, r, "example.org"); got != "SERVFAIL" || time.Since(before) > forwardTimeout+10*time.Second {
		t.Error(got, time.Since(before))
	}
}

func TestForwardPassesNXDOMAINOn(t *testing.T) {
	first, _ := upstream(t, func(q *dns.Msg, _ bool) *dns.Msg { return new(dns.Msg).SetRcode(q, dns.RcodeNameError) })
	second, asked := upstream(t, func(q *dns.Msg, _ bool) *dns.Msg { return answerA(q, "192.0.2.9", 1) })
	if got := forwarded(t, newTestResolver(sample(), first, second), "no.example.org"); got != "NXDOMAIN" || asked.Load() != 0 {
		t.Error(got, asked.Load())
	}
}

func TestForwardTakesTCPForLongAnswers(t *testing.T) {
	addr, _ := upstream(t, func(q *dns.Msg, udp bool) *dns.Msg {
		m := answerA(q, "192.0.2.9", 100)
		if udp {
			m.Answer, m.Truncated = nil, true
		}
		return m
	})
	r := newTestResolver(sample(), addr)
	if m := r.respond(context.Background(), ask("example.org", "A"), false); len(m.Answer) != 100 || m.Truncated {
		t.Errorf("TCP: %d answers", len(m.Answer))
	}
	if m := r.respond(context.Background(), ask("example.org", "A"), true); !m.Truncated {
		t.Error("UDP: not truncated")
	}
}

func TestClusterNamesNeverLeave(t *testing.T) {
	addr, asked := upstream(t, func(q *dns.Msg, _ bool) *dns.Msg { return answerA(q, "192.0.2.9", 1) })
	r := newTestResolver(sample(), addr)
	for _, name := range []string{"x.default.svc.cluster.local", "cluster.local", "x.cluster.local", "nobody", "12.0.201.10.in-addr.arpa"} {
		if got := forwarded(t, r, name); strings.Contains(got, "192.0.2.9") {
			t.Errorf("%s: %s", name, got)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d questions went outside", n)
	}
	if got := forwarded(t, r, "docs"); got != "NOERROR: A 192.0.2.9, CNAME example.org." {
		t.Error(got)
	}
}

// Docker's name server knows plain services: those in the pods' network are found, in no other way than by its name alone.
func TestNamesThatDockerKnows(t *testing.T) {
	outside, left := upstream(t, func(q *dns.Msg, _ bool) *dns.Msg { return answerA(q, "192.0.2.9", 1) })
	embedded, asked := upstream(t, func(q *dns.Msg, _ bool) *dns.Msg {
		switch q.Question[0].Name {
		case "cache.":
			return answerA(q, "10.201.3.1", 2)
		case "elsewhere.":
			return answerA(q, "172.30.0.5", 1)
		case "broken.":
			return new(dns.Msg).SetRcode(q, dns.RcodeServerFailure)
		}
		return answerA(q, "", 0)
	})
	table := sample()
	r := newTestResolver(table, outside)
	r.docker = newForwarder([]string{embedded})
	if got := forwarded(t, r, "cache"); got != "NXDOMAIN SOA" || asked.Load() != 0 {
		t.Errorf("in a stack without plain services: %s, Docker was asked %d times", got, asked.Load())
	}
	table.DockerNames = true
	for _, c := range []struct{ name, qtype, want string }{
		{"cache", "A", "NOERROR: A 10.201.3.1, A 10.201.3.1"},
		{"cache", "AAAA", "NOERROR SOA"},
		{"cache", "MX", "NXDOMAIN SOA"},
		{"elsewhere", "A", "NXDOMAIN SOA"}, // in a network that the pods are not in
		{"nobody", "A", "NXDOMAIN SOA"},
		{"broken", "A", "NXDOMAIN SOA"},
		{"web", "A", "NOERROR: A 10.201.2.1"},
		{"cache.default.svc.cluster.local", "A", "NXDOMAIN SOA"},
	} {
		if got := text(r.respond(context.Background(), ask(c.name, c.qtype), true)); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.name, c.qtype, got, c.want)
		}
	}
	if n := left.Load(); n != 0 {
		t.Errorf("%d questions went outside", n)
	}
}
