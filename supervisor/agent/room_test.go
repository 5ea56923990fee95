package agent

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestRoomOfFiles(t *testing.T) {
	for files, want := range map[uint64]int{0: 64, 1024: 85, 20000: 3248, 1 << 18: 43605} {
		if got := cap(newRoom(files, slog.New(slog.DiscardHandler)).slots); got != want {
			t.Errorf("%d files are room for %d connections, want %d", files, got, want)
		}
	}
}

func TestRoomWaitsAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := newRoom(0, slog.New(slog.NewTextHandler(&log, nil)))
		for range cap(r.slots) {
			r.enter(t.Context())
		}
		if r.waited.Load() != 0 || log.Len() > 0 {
			t.Fatalf("%d waited: %s", r.waited.Load(), log.String())
		}
		for range 5 {
			go func() { time.Sleep(time.Second); r.leave() }()
			if !r.enter(t.Context()) {
				t.Fatal("no room after another has left")
			}
		}
		if got := strings.Count(log.String(), "connections wait"); r.waited.Load() != 5 || got != 1 {
			t.Errorf("%d waited, said %d times", r.waited.Load(), got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if r.enter(ctx) {
			t.Error("room where there is none")
		}
	})
}

// TestConnectionsBeyondTheLimitAreAnswered opens twice as many connections as there is room for: all are answered in the
// end, and the agent says how many waited.
func TestConnectionsBeyondTheLimitAreAnswered(t *testing.T) {
	h := start(t, func(c *Config) { c.openFiles, c.Datapath = 1, DatapathUserland }) // room for 64
	greet, err := net.Listen("tcp", netip.AddrPortFrom(h.addr(20), 8000).String())
	if err != nil {
		t.Fatal(err)
	}
	defer greet.Close()
	go func() {
		for {
			c, err := greet.Accept()
			if err != nil {
				return
			}
			fmt.Fprintln(c, "hello")
			go func() { _, _ = c.Read(make([]byte, 1)); c.Close() }()
		}
	}()
	h.push(&Table{
		Pods: []Pod{{Name: "web-0", UID: "u", Address: h.addr(20), Ready: true}},
		Services: []Service{{
			Namespace: "default", Name: "web", VIP: h.addr(100), Ports: []ServicePort{{Protocol: TCP, Port: 80}},
			Subsets: []Subset{{Ports: []uint16{8000}, Pods: []int{0}}},
		}},
	})
	var open []net.Conn
	for range 128 {
		open = append(open, h.dial(netip.AddrPortFrom(h.addr(100), 80).String()))
	}
	for n, c := range open {
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || line != "hello\n" {
			t.Fatalf("connection %d: %q, %v", n, line, err)
		}
		c.Close()
	}
	if health, err := h.client.Health(t.Context()); err != nil || health.Limit != 64 || health.Waited == 0 {
		t.Errorf("%+v, %v", health, err)
	}
}
