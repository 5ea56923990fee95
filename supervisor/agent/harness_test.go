package agent

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// kernelTests is true in the copy of the tests that TestAllWithNFTables starts.
var kernelTests = os.Getenv("LYANDEV_TEST_DATAPATH") == DatapathNFTables

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testToken = "0123456789abcdef"

// memoryAddresses stands in for the interface: every address of 127.0.0.0/8 is there already.
type memoryAddresses struct {
	mu   sync.Mutex
	held []netip.Addr
}

func (m *memoryAddresses) List() ([]netip.Addr, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.held), nil
}

func (m *memoryAddresses) Add(a netip.Addr) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held = append(m.held, a)
	return nil
}

func (m *memoryAddresses) Remove(a netip.Addr) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held = slices.DeleteFunc(m.held, func(h netip.Addr) bool { return h == a })
	return nil
}

// harness is a running agent on the loopback network, with an address space of its own.
type harness struct {
	t      testing.TB
	cfg    Config
	client *Client
	addrs  *memoryAddresses
	net    [2]byte // 127.x.y
	cancel context.CancelFunc
	done   chan error
}

func start(t testing.TB, change ...func(*Config)) *harness {
	t.Helper()
	h := &harness{t: t, addrs: new(memoryAddresses), net: [2]byte{byte(1 + rand.IntN(250)), byte(rand.IntN(256))}}
	h.cfg = Config{
		Version: "v1", Token: testToken, Subnet: netip.MustParsePrefix("127.0.0.0/8"), Address: h.addr(2),
		Upstreams: []string{"127.0.0.1:1"}, StateFile: filepath.Join(t.TempDir(), "state", "table.json"), Drain: 50 * time.Millisecond,
		controlPort: 17946, dnsPort: freePort(t), addresses: h.addrs, anyLink: true, Datapath: DatapathUserland,
	}
	if kernelTests {
		h.cfg.Datapath = DatapathNFTables
	}
	for _, c := range change {
		c(&h.cfg)
	}
	h.client = NewClient(h.cfg.listenAddress(h.cfg.controlPort), testToken)
	h.run()
	t.Cleanup(func() { h.stop(); h.client.Close() })
	return h
}

// addr is 127.x.y.n.
func (h *harness) addr(n byte) netip.Addr {
	return netip.AddrFrom4([4]byte{127, h.net[0], h.net[1], n})
}

func (h *harness) run() {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	h.cancel, h.done = cancel, make(chan error, 1)
	go func() { h.done <- Run(ctx, h.cfg) }()
	h.eventually("the agent to serve", func() bool {
		select {
		case err := <-h.done:
			h.t.Fatalf("agent ended: %v", err)
		default:
		}
		health, err := h.client.Health(context.Background())
		if err == nil && health.Datapath != h.cfg.Datapath {
			h.t.Fatalf("the data path is %s: %s", health.Datapath, health.Fallback)
		}
		return err == nil
	})
}

func (h *harness) stop() {
	h.cancel()
	if h.done == nil {
		return
	}
	if err := <-h.done; err != nil {
		h.t.Errorf("agent ended with %v", err)
	}
	h.done = nil
}

// eventually waits for a condition, for at most five seconds.
func (h *harness) eventually(what string, ok func() bool) {
	h.t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			h.t.Fatalf("waited in vain for %s", what)
		case <-tick.C:
		}
	}
}

func (h *harness) push(t *Table) {
	h.t.Helper()
	pushed, err := h.client.Push(context.Background(), t)
	if err != nil || len(pushed.Problems) > 0 {
		h.t.Fatalf("push: %v %v", pushed, err)
	}
}

func (h *harness) dial(addr string) net.Conn {
	h.t.Helper()
	c, err := net.DialTimeout("tcp", addr, 2*time.Second)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

func freePort(t testing.TB) uint16 {
	l, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

// backend is a pod's server: it says its name in a line, echoes, and says "bye" when the client has finished.
func backend(t testing.TB, name string, at netip.AddrPort) {
	t.Helper()
	l, err := net.Listen("tcp4", at.String())
	if err != nil {
		t.Fatal(err)
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
				fmt.Fprintln(c, name)
				if _, err := io.Copy(c, c); err == nil {
					fmt.Fprintln(c, "bye")
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); conns.Wait() })
}

// webTable is one Service "web" with a VIP at .100:80, for the pods at .10, .11, ... port 8000.
func (h *harness) webTable(ready ...bool) *Table {
	t := &Table{Services: []Service{{
		Namespace: "default", Name: "web", VIP: h.addr(100), Ports: []ServicePort{{Name: "http", Protocol: TCP, Port: 80}},
		Subsets: []Subset{{Ports: []uint16{8000}}},
	}}}
	for i, r := range ready {
		t.Pods = append(t.Pods, Pod{Name: fmt.Sprint("web-", i), UID: fmt.Sprint("u", i), Address: h.addr(byte(10 + i)), Ready: r})
		t.Services[0].Subsets[0].Pods = append(t.Services[0].Subsets[0].Pods, i)
	}
	return t
}

func (h *harness) vip() string { return h.addr(100).String() + ":80" }

func (h *harness) backends(n int) {
	for i := range n {
		backend(h.t, fmt.Sprint("web-", i), netip.AddrPortFrom(h.addr(byte(10+i)), 8000))
	}
}

func line(t testing.TB, r io.Reader) string {
	t.Helper()
	s, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return strings.TrimSpace(s)
}
