package agent

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func wanted(hosts ...string) (out []wantedTarget) {
	for _, h := range hosts {
		out = append(out, wantedTarget{targetKey{netip.MustParseAddrPort("10.0.0." + h + ":80"), "u" + h}, "pod-" + h})
	}
	return out
}

func always(podKey) bool { return true }

func never(podKey) bool { return false }

func poolOf(affinity time.Duration, hosts ...string) *pool {
	p := new(pool)
	p.update(wanted(hosts...), affinity, always)
	return p
}

var client = netip.MustParseAddr("10.0.0.200")

func clientN(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 1, byte(n >> 8), byte(n)}) }

// picks takes n targets and gives each back at once.
func picks(p *pool, n int) string {
	var out []string
	for range n {
		t := p.pick(client, nil)
		if t == nil {
			return strings.Join(append(out, "none"), " ")
		}
		p.release(t)
		out = append(out, strings.TrimPrefix(t.pod, "pod-"))
	}
	return strings.Join(out, " ")
}

func TestShortConnectionsGoRoundRobin(t *testing.T) {
	p := poolOf(0, "1", "2", "3")
	if got := picks(p, 7); got != "1 2 3 1 2 3 1" {
		t.Error(got)
	}
	p.update(wanted("2"), 0, always)
	if got := picks(p, 2); got != "2 2" {
		t.Error(got)
	}
	p.update(nil, 0, always)
	if got := picks(p, 1); got != "none" || !p.empty() {
		t.Error(got)
	}
}

func TestLongConnectionsGoWhereFewestAre(t *testing.T) {
	p := poolOf(0, "1", "2")
	for range 10 {
		p.pick(client, nil)
	}
	p.update(wanted("1", "2", "3"), 0, always)
	if got := picks(p, 1); got != "3" {
		t.Error(got)
	}
	for range 5 {
		p.pick(client, nil)
	}
	s := p.stats("x")
	if fmt.Sprint(s.Active) != "map[10.0.0.1:80:5 10.0.0.2:80:5 10.0.0.3:80:5]" {
		t.Error(s.Active)
	}
}

func TestPickSkipsTheTried(t *testing.T) {
	p := poolOf(time.Hour, "1", "2")
	a := p.pick(client, nil)
	b := p.pick(client, []*target{a})
	if a == b || p.pick(client, []*target{a, b}) != nil {
		t.Error("a target was tried again")
	}
}

func TestFailedTargetIsTheLastChoice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := poolOf(0, "1", "2")
		bad := p.pick(client, nil)
		p.release(bad)
		p.failed(bad)
		if got := picks(p, 3); got != "2 2 2" {
			t.Error(got)
		}
		time.Sleep(failedRest)
		if got := picks(p, 2); got != "1 2" {
			t.Error(got)
		}
		p.update(wanted("1"), 0, always)
		p.failed(bad)
		if got := picks(p, 1); got != "1" {
			t.Error("the only target was not tried: " + got)
		}
	})
}

func TestAffinity(t *testing.T) { // R129
	synctest.Test(t, func(t *testing.T) {
		p := poolOf(time.Hour, "1", "2", "3")
		first := p.pick(client, nil)
		for range 5 { // each new connection begins the hour again
			time.Sleep(59 * time.Minute)
			if got := p.pick(client, nil); got != first {
				t.Fatal("the client went elsewhere before the timeout")
			}
		}
		if other := p.pick(clientN(1), nil); other == first {
			t.Error("another client was sent to the busiest target")
		}
		time.Sleep(time.Hour)
		if got := p.pick(client, nil); got == first {
			t.Error("the client was remembered after the timeout")
		}
	})
}

func TestAffinityLeavesATargetThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := poolOf(time.Hour, "1", "2")
		first := p.pick(client, nil)
		rest := slices.DeleteFunc(wanted("1", "2"), func(w wantedTarget) bool { return w.key == first.key })
		p.update(rest, time.Hour, always)
		second := p.pick(client, nil)
		if second == first {
			t.Fatal("sent to a target that is not eligible")
		}
		p.update(wanted("1", "2"), time.Hour, always)
		if p.pick(client, nil) != second {
			t.Error("the client went back")
		}
	})
}

func TestAffinityForgetsClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := poolOf(time.Minute, "1")
		for i := range stickySweep {
			p.release(p.pick(clientN(i), nil))
		}
		time.Sleep(time.Minute)
		p.release(p.pick(client, nil))
		if len(p.sticky) != 1 {
			t.Errorf("%d clients are remembered", len(p.sticky))
		}
	})
}

// closeNote is a connection of a test.
type closeNote struct{ closed bool }

func (c *closeNote) Close() error { c.closed = true; return nil }

func TestConnectionsOfAPodThatIsGoneAreClosed(t *testing.T) {
	p := poolOf(0, "1")
	held, c := p.pick(client, nil), new(closeNote)
	if !p.hold(held, c) {
		t.Fatal("not held")
	}
	p.update(nil, 0, always) // not ready any more
	if c.closed {
		t.Fatal("closed because the pod is not ready")
	}
	p.update(wanted("1"), 0, always)
	if p.pick(client, nil) != held {
		t.Error("the target came back as another: its connections would not be counted")
	}
	p.update(nil, 0, never)
	if !c.closed || p.hold(held, c) {
		t.Error("left open though the pod is gone")
	}
}

func TestSuccessorOfAPodIsAnotherTarget(t *testing.T) {
	p := poolOf(0, "1")
	held, c := p.pick(client, nil), new(closeNote)
	p.hold(held, c)
	next := wanted("1")
	next[0].key.uid = "successor"
	p.update(next, 0, func(k podKey) bool { return k.uid == "successor" })
	if !c.closed || p.pick(client, nil) == held {
		t.Error("the successor at the same address has the connections of the pod before it")
	}
}

// TestPoolKeepsCount drives a pool with random tables and connections.
func TestPoolKeepsCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := new(pool)
		var open []*target
		hosts := rapid.SliceOfDistinct(rapid.SampledFrom([]string{"1", "2", "3", "4"}), func(s string) string { return s })
		t.Repeat(map[string]func(*rapid.T){
			"table": func(t *rapid.T) {
				p.update(wanted(hosts.Draw(t, "hosts")...), 0, always)
			},
			"connect": func(t *rapid.T) {
				if got := p.pick(client, nil); got != nil {
					open = append(open, got)
				} else if !p.empty() {
					t.Fatal("no target though there are some")
				}
			},
			"end": func(t *rapid.T) {
				if len(open) > 0 {
					i := rapid.IntRange(0, len(open)-1).Draw(t, "i")
					p.release(open[i])
					open = slices.Delete(open, i, i+1)
				}
			},
			"": func(t *rapid.T) {
				sum := 0
				for _, n := range p.stats("").Active {
					sum += n
				}
				if sum != len(open) {
					t.Fatalf("%d counted, %d open", sum, len(open))
				}
				for key, parked := range p.parked {
					if parked.active == 0 || parked.eligible {
						t.Fatalf("%v is parked for nothing", key)
					}
				}
			},
		})
	})
}

func TestDialTriesAnotherTarget(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	gone, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	target := func(l net.Listener) wantedTarget {
		return wantedTarget{targetKey{netip.MustParseAddrPort(l.Addr().String()), ""}, ""}
	}
	p := new(pool)
	p.update([]wantedTarget{target(gone), target(l)}, 0, always)
	c, to, err := p.dial(context.Background(), new(net.Dialer), client)
	if err != nil || to.key.addr.String() != l.Addr().String() {
		t.Fatalf("reached %v: %v", to, err)
	}
	c.Close()
	p.release(to)
	p.update([]wantedTarget{target(gone)}, 0, always)
	if _, _, err := p.dial(context.Background(), new(net.Dialer), client); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("error %v", err)
	}
	var _ io.Closer = c
}
