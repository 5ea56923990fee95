package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func TestServiceAddressReachesReadyPods(t *testing.T) {
	h := start(t)
	h.backends(2)
	h.push(h.webTable(true, false))
	for range 3 {
		if got := line(t, h.dial(h.vip())); got != "web-0" {
			t.Errorf("reached %s", got)
		}
	}
	h.push(h.webTable(true, true))
	seen := map[string]int{}
	for range 5 { // web-0 has three connections already
		seen[line(t, h.dial(h.vip()))]++
	}
	if even := seen["web-0"] == 1 && seen["web-1"] == 4; !even && !kernelTests {
		t.Errorf("reached %v", seen)
	}
	if seen["web-0"] == 0 || seen["web-1"] == 0 { // the kernel takes them in turn
		t.Errorf("reached %v", seen)
	}
}

func TestHalfClose(t *testing.T) {
	h := start(t)
	h.backends(1)
	h.push(h.webTable(true))
	c := h.dial(h.vip())
	fmt.Fprint(c, "hello ")
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if string(got) != "web-0\nhello bye\n" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	h.eventually("the connection to be counted", func() bool {
		s, err := h.client.Stats(context.Background())
		return err == nil && s.Open == 0 && s.Connections == 1 && (s.Bytes == int64(len("hello ")+len(got)) || kernelTests)
	})
}

func TestNoEndpointIsRefusedAtOnce(t *testing.T) { // R122
	h := start(t)
	h.backends(1)
	h.push(h.webTable(true))
	old := h.dial(h.vip())
	if line(t, old) != "web-0" {
		t.Fatal("no backend")
	}
	h.push(h.webTable(false))
	before := time.Now()
	_, err := net.Dial("tcp", h.vip())
	if !errors.Is(err, syscall.ECONNREFUSED) || time.Since(before) > 2*time.Second {
		t.Errorf("dial: %v after %v", err, time.Since(before))
	}
	// The connection from before goes on.
	fmt.Fprintln(old, "still there")
	if got := line(t, old); got != "still there" {
		t.Errorf("got %q", got)
	}
	// And ends with a reset when the pod is gone.
	h.push(h.webTable())
	if _, err := old.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read: %v", err)
	}
	h.push(h.webTable(true))
	if line(t, h.dial(h.vip())) != "web-0" {
		t.Error("not served again")
	}
}

func TestUnreachableEndpoints(t *testing.T) {
	h := start(t)
	backend(t, "web-1", netip.AddrPortFrom(h.addr(11), 8000))
	h.push(h.webTable(true, true)) // nothing listens for web-0
	for range 4 {
		if got := line(t, h.dial(h.vip())); got != "web-1" {
			t.Errorf("reached %s", got)
		}
	}
	h.push(h.webTable(true))
	c, err := net.Dial("tcp", h.vip())
	if err == nil { // else the reset was quicker than the dialer
		defer c.Close()
		_, err = c.Read(make([]byte, 1))
	}
	if refused := kernelTests && errors.Is(err, syscall.ECONNREFUSED); !errors.Is(err, syscall.ECONNRESET) && !refused {
		t.Errorf("dial and read: %v", err)
	}
}

func TestServiceGone(t *testing.T) {
	h := start(t)
	h.backends(1)
	h.push(h.webTable(true))
	c := h.dial(h.vip())
	line(t, c)
	table := h.webTable(true)
	table.Services = nil
	h.push(table)
	if held, _ := h.addrs.List(); len(held) != 0 {
		t.Errorf("addresses left: %v", held)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read: %v", err)
	}
}

// TestRoleMoves: connections to a pod that has lost the role of its Service are reset once another pod has the role, and only then.
func TestRoleMoves(t *testing.T) {
	h := start(t)
	h.backends(2)
	table := func(follows bool, ready bool, selected ...int) *Table {
		table := h.webTable(ready, true)
		table.Services[0].FollowsRole = follows
		table.Services[0].Subsets[0].Pods = selected
		return table
	}
	connect := func() net.Conn {
		c := h.dial(h.vip())
		if got := line(t, c); got != "web-0" {
			t.Fatalf("reached %s", got)
		}
		return c
	}
	stays := func(c net.Conn, when string) {
		fmt.Fprintln(c, "still there")
		if got := line(t, c); got != "still there" {
			t.Errorf("%s: got %q", when, got)
		}
	}
	h.push(table(true, true, 0))
	c := connect()
	h.push(table(true, false, 0))
	stays(c, "the pod is not ready")
	h.push(table(true, true))
	stays(c, "no pod has the role")
	h.push(table(true, true, 1))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the role has moved; read: %v", err)
	}
	if got := line(t, h.dial(h.vip())); got != "web-1" {
		t.Errorf("a new connection reached %s", got)
	}
	h.push(table(false, true, 0))
	c = connect()
	h.push(table(false, true, 1))
	stays(c, "a Service without a role selects another pod")
}

func TestHostPort(t *testing.T) {
	h := start(t)
	h.backends(1)
	table := h.webTable(true)
	table.HostPorts = []HostPort{{Port: 18000, Protocol: TCP, Namespace: "default", Service: "web", ServicePort: 80}}
	h.push(table)
	at := h.cfg.listenAddress(18000)
	if got := line(t, h.dial(at)); got != "web-0" {
		t.Errorf("reached %s", got)
	}
	table = h.webTable(false)
	table.HostPorts = []HostPort{{Port: 18000, Protocol: TCP, Namespace: "default", Service: "web", ServicePort: 80}}
	h.push(table)
	if _, err := net.Dial("tcp", at); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial: %v", err)
	}
}

func TestListenerThatCannotBe(t *testing.T) {
	h := start(t)
	h.backends(1)
	l, err := net.Listen("tcp4", h.vip())
	if err != nil {
		t.Fatal(err)
	}
	table := h.webTable(true)
	table.HostPorts = []HostPort{{Port: 18001, Protocol: TCP, Namespace: "default", Service: "web", ServicePort: 80}}
	pushed, err := h.client.Push(context.Background(), table)
	if err != nil || len(pushed.Problems) != 1 || !strings.Contains(pushed.Problems[0], "address already in use") {
		t.Errorf("pushed %v, %v", pushed, err)
	}
	if got := line(t, h.dial(h.cfg.listenAddress(18001))); got != "web-0" {
		t.Error("the rest is not served")
	}
	l.Close()
	h.push(table) // what failed is tried again
	if got := line(t, h.dial(h.vip())); got != "web-0" {
		t.Error("not served")
	}
}

func TestUDP(t *testing.T) {
	h := start(t, func(c *Config) { c.UDPIdle = 500 * time.Millisecond })
	var servers sync.WaitGroup
	t.Cleanup(servers.Wait)
	for i := range 2 {
		conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(h.addr(byte(10+i)), 8000)))
		if err != nil {
			t.Fatal(err)
		}
		servers.Go(func() {
			buf := make([]byte, 65535)
			for {
				n, from, err := conn.ReadFromUDPAddrPort(buf)
				if err != nil {
					return
				}
				_, _ = conn.WriteToUDPAddrPort(append([]byte(fmt.Sprint(i, ":")), buf[:n]...), from)
			}
		})
		t.Cleanup(func() { conn.Close() })
	}
	table := func(ready ...bool) *Table {
		t := h.webTable(ready...)
		t.Services[0].Ports[0].Protocol = UDP
		return t
	}
	h.push(table(true, true))
	c, err := net.Dial("udp", h.vip())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	say := func(s string) string {
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		buf := make([]byte, 65535)
		if _, err := c.Write([]byte(s)); err != nil {
			return err.Error()
		}
		n, err := c.Read(buf)
		if err != nil {
			return err.Error()
		}
		return string(buf[:n])
	}
	for range 3 { // one flow, one endpoint
		if got := say("hello"); got != "0:hello" {
			t.Errorf("got %q", got)
		}
	}
	if got := say(strings.Repeat("x", 60000)); len(got) != 60002 {
		t.Errorf("a large datagram became %d bytes", len(got))
	}
	h.push(table(false, true)) // its endpoint is not ready: the flow moves
	if got := say("hello"); got != "1:hello" {
		t.Errorf("got %q", got)
	}
	h.push(table(false, false))
	if got := say("hello"); !strings.Contains(got, "refused") {
		t.Errorf("got %q", got)
	}
	h.push(table(true, true))
	say("hello")
	h.eventually("idle flows to end", func() bool {
		s, err := h.client.Stats(context.Background())
		return err == nil && (s.Open == 0 || kernelTests && s.Open == 1) // the kernel keeps a flow for 120 s
	})
}

func TestPushIsWholeOrNothing(t *testing.T) {
	h := start(t)
	r := func(names ...string) *Table {
		table := &Table{Format: TableFormat}
		for i, n := range names {
			table.Services = append(table.Services, Service{Namespace: "default", Name: n, VIP: h.addr(byte(100 + i))})
		}
		return table
	}
	h.push(r("a", "b"))
	bad := r("c", "C")
	if _, err := h.client.Push(context.Background(), bad); err == nil || !strings.Contains(err.Error(), "DNS labels") {
		t.Fatalf("push: %v", err)
	}
	got, err := h.client.Table(context.Background())
	if err != nil || len(got.Services) != 2 || got.Services[0].Name != "a" {
		t.Errorf("table %+v, %v", got, err)
	}
}

func TestOlderTableIsRefused(t *testing.T) {
	h := start(t)
	table := h.webTable()
	table.Version = 10
	h.push(table)
	h.push(table) // the same again changes nothing
	table.Version = 9
	if pushed, err := h.client.Push(context.Background(), table); !errors.Is(err, ErrStale) || pushed.Version != 10 {
		t.Errorf("push: %v, %v", pushed, err)
	}
	table.Version = 0 // whatever the client numbers by itself is newer
	h.push(table)
	table.Version = time.Now().Add(time.Hour).UnixNano() // as by a supervisor before the clock was set back
	h.push(table)
	table.Version = 0
	h.push(table)
	h.push(table)
}

func TestServesTheLastTableAfterARestart(t *testing.T) {
	h := start(t)
	h.backends(1)
	h.push(h.webTable(true))
	before, err := h.client.Health(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	h.stop()
	if held, _ := h.addrs.List(); len(held) != 0 {
		t.Errorf("addresses left after the stop: %v", held)
	}
	h.addrs.held = []netip.Addr{h.addr(200)} // what a killed agent would leave
	h.run()
	after, err := h.client.Health(context.Background())
	if err != nil || after.Table != before.Table || after.Instance == before.Instance {
		t.Errorf("%+v, then %+v, %v", before, after, err)
	}
	if got := line(t, h.dial(h.vip())); got != "web-0" {
		t.Errorf("reached %s", got)
	}
	if held, _ := h.addrs.List(); !slices.Equal(held, []netip.Addr{h.addr(100)}) {
		t.Errorf("addresses %v", held)
	}
}

func TestTornStateFileIsNoObstacle(t *testing.T) {
	h := start(t)
	h.push(h.webTable())
	h.stop()
	if err := saveTable(h.cfg.StateFile, []byte(`{"format":1,"ver`)); err != nil {
		t.Fatal(err)
	}
	h.run()
	if got, err := h.client.Health(context.Background()); err != nil || got.Table != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	h.push(h.webTable())
}

func TestStopDrains(t *testing.T) {
	h := start(t, func(c *Config) { c.Drain = time.Second })
	h.backends(1)
	h.push(h.webTable(true))
	c := h.dial(h.vip())
	line(t, c)
	h.cancel()
	h.eventually("new connections to be refused", func() bool {
		n, err := net.Dial("tcp", h.vip())
		if err == nil {
			n.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	})
	fmt.Fprintln(c, "one more")
	if got := line(t, c); got != "one more" {
		t.Errorf("got %q", got)
	}
	before := time.Now()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read: %v", err)
	}
	h.stop()
	if took := time.Since(before); took > 10*time.Second {
		t.Errorf("stopping took %v", took)
	}
}

func TestNamesOnTheWire(t *testing.T) {
	h := start(t)
	h.push(h.webTable(true))
	for _, network := range []string{"udp", "tcp"} {
		for _, host := range []string{h.cfg.Address.String(), "127.0.0.1"} {
			c := dns.Client{Net: network}
			resp, _, err := c.Exchange(ask("web.default.svc.cluster.local", "A"), fmt.Sprint(host, ":", h.cfg.dnsPort))
			if err != nil || text(resp) != "NOERROR: A "+h.addr(100).String() {
				t.Errorf("%s %s: %v %v", network, host, resp, err)
			}
		}
	}
}

// TestConcurrentPushes changes tables while connections and questions come, for the race detector and for the promise that
// a question sees one table or the other.
func TestConcurrentPushes(t *testing.T) {
	h := start(t)
	h.backends(3)
	h.push(h.webTable(true, true, true))
	ctx, cancel := context.WithCancel(context.Background())
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() {
			for ctx.Err() == nil {
				c, err := net.Dial("tcp", h.vip())
				if err != nil {
					t.Errorf("dial: %v", err)
					return
				}
				if got := line(t, c); !strings.HasPrefix(got, "web-") {
					t.Errorf("reached %q", got)
				}
				c.Close()
			}
		})
	}
	for i := range 100 {
		h.push(h.webTable(i%3 == 0, i%3 == 1, i%3 == 2))
	}
	cancel()
	load.Wait()
}
