package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
)

// largeTable is 200 Services with 50 endpoints each, of 250 pods.
func largeTable(h *harness) *Table {
	t := &Table{Format: TableFormat}
	for i := range 250 {
		t.Pods = append(t.Pods, Pod{Name: fmt.Sprint("pod-", i), UID: fmt.Sprint("uid-", i), Address: h.addr(byte(i)), Ready: true})
	}
	for i := range 200 {
		s := Service{
			Namespace: "default", Name: fmt.Sprint("svc-", i), VIP: netip.AddrFrom4([4]byte{127, h.net[0], h.net[1] + 1, byte(i)}),
			Ports: []ServicePort{{Name: "http", Protocol: TCP, Port: 80}}, Subsets: []Subset{{Ports: []uint16{8000}}},
		}
		for n := range 50 {
			s.Subsets[0].Pods = append(s.Subsets[0].Pods, (i+n)%250)
		}
		t.Services = append(t.Services, s)
	}
	return t
}

// BenchmarkPush is a whole push, as seen by the supervisor: encode, send, decode, check, serve, keep, reply. Every time
// another pod's readiness differs, which changes 50 Services.
func BenchmarkPush(b *testing.B) {
	h := start(b)
	t := largeTable(h)
	h.push(t)
	raw, _ := json.Marshal(t)
	b.ReportMetric(float64(len(raw)), "B/table")
	for i := 0; b.Loop(); i++ {
		t.Pods[i%250].Ready = !t.Pods[i%250].Ready
		t.Version = 0
		h.push(t)
	}
}

func BenchmarkName(b *testing.B) {
	h := start(b)
	r := newTestResolver(largeTable(h))
	q := ask("svc-77.default.svc.cluster.local", "A")
	b.ReportAllocs()
	for b.Loop() {
		if r.respond(context.Background(), q, true).Rcode != 0 {
			b.Fatal("no answer")
		}
	}
}

// sink is a server that reads everything and then says how much it was.
func sink(b *testing.B, at netip.AddrPort) {
	l, err := net.Listen("tcp4", at.String())
	if err != nil {
		b.Fatal(err)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer c.Close()
				n, _ := io.Copy(io.Discard, c)
				fmt.Fprintln(c, n)
			})
		}
	})
	b.Cleanup(func() { l.Close(); conns.Wait() })
}

func BenchmarkThroughput(b *testing.B) {
	h := start(b)
	sink(b, netip.AddrPortFrom(h.addr(10), 8000))
	h.push(h.webTable(true))
	for name, addr := range map[string]string{"direct": h.addr(10).String() + ":8000", "service": h.vip()} {
		b.Run(name, func(b *testing.B) {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			block := make([]byte, 256<<10)
			b.SetBytes(int64(len(block)))
			for b.Loop() {
				if _, err := c.Write(block); err != nil {
					b.Fatal(err)
				}
			}
			_ = c.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, c)
		})
	}
}

func BenchmarkConnections(b *testing.B) {
	h := start(b)
	sink(b, netip.AddrPortFrom(h.addr(10), 8000))
	h.push(h.webTable(true))
	direct := h.addr(10).String() + ":8000"
	agent := func(addr string) (net.Conn, error) { return h.client.DialContext(context.Background(), "tcp", addr) }
	plain := func(addr string) (net.Conn, error) { return net.Dial("tcp", addr) }
	for _, c := range []struct {
		name, addr string
		dial       func(string) (net.Conn, error)
	}{{"direct", direct, plain}, {"service", h.vip(), plain}, {"dialer", direct, agent}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				conn, err := c.dial(c.addr)
				if err != nil {
					b.Fatal(err)
				}
				_ = conn.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, conn)
				conn.Close()
			}
		})
	}
}
