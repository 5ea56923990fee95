package loopback

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/lyandev/lyandev/services"
)

// silent is a server that accepts connections and never answers, as a process that hangs.
func silent(t *testing.T) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

// TestRoleMoves: a connection to a pod that a headless Service selected by role is reset once the name leads to other pods, and
// stays while it leads nowhere.
func TestRoleMoves(t *testing.T) {
	for _, c := range []struct {
		name   string
		marked bool
		now    []netip.Addr
		ends   bool
	}{
		{"another pod has the role", true, []netip.Addr{netip.MustParseAddr("127.0.0.9")}, true},
		{"also another pod has the role", true, []netip.Addr{netip.MustParseAddr("127.0.0.9"), netip.MustParseAddr("127.0.0.1")}, false},
		{"no pod has the role", true, nil, false},
		{"not by role", false, []netip.Addr{netip.MustParseAddr("127.0.0.9")}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			to := net.JoinHostPort("127.0.0.1", strconv.Itoa(silent(t)))
			if c.marked {
				to = services.FollowRole(to)
			}
			s := newServer(slog.New(slog.DiscardHandler))
			var looks atomic.Int32
			looked := make(chan struct{}, 100)
			s.followEvery = time.Millisecond
			s.lookup = func(context.Context, string, string) ([]netip.Addr, error) {
				if looks.Add(1) < 100 {
					looked <- struct{}{}
				}
				return c.now, nil
			}
			if err := s.listen(t.Context(), freePort(t), to); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- s.serve(ctx, nil) }()
			defer func() { cancel(); <-done }()
			conn, err := net.Dial("tcp", s.listeners[0].Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if c.marked && !c.ends {
				<-looked
				<-looked // the first look has been acted on
			}
			read := make(chan error, 1)
			go func() { _, err := conn.Read(make([]byte, 1)); read <- err }()
			if c.ends {
				if err := <-read; !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("read: %v", err)
				}
				return
			}
			select {
			case err := <-read:
				t.Errorf("the connection ended with %v", err)
			default:
			}
			if _, err := io.WriteString(conn, "x"); err != nil {
				t.Error(err)
			}
		})
	}
}

// freePort is a port that nobody listens on.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
