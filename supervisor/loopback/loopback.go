// Package loopback forwards ports of a pod's own loopback to addresses of the stack, for programs that connect to localhost
// whatever they are told (x-lyandev.localhost). It runs in the pod's sandbox container and thus in the pod's network namespace.
//
// A name is looked up for every connection, so that a port follows a Service whose pods change. A connection that cannot be
// forwarded is reset; the program sees "connection reset" instead of "connection refused".
//
// When a role moves, connections to the former pod are reset. For a Service with an address of its own the agent does that, and the
// reset is passed on. The connections to a headless one lead straight to a pod: if its port is marked (services.FollowRole), the name
// is looked up every second, and connections to pods that it no longer leads to are reset once it leads to others.
package loopback

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/lyandev/lyandev/services"
)

const (
	// dialLimit bounds the lookup of a name and the connection to it.
	dialLimit = 5 * time.Second
	// maxConns bounds the connections of all ports together; further ones wait until another ends.
	maxConns = 1024
	// acceptPause follows a failure to accept, such as too many open files.
	acceptPause = 20 * time.Millisecond
)

// addresses are those of the loopback. The second is left out where there is no IPv6.
var addresses = []string{"127.0.0.1", "::1"}

// keepAlive detects within about a minute that the other side vanished without closing.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3}

// Serve forwards the ports until ctx ends. It returns an error at once if it cannot listen on a port of 127.0.0.1. At the end it
// resets the connections and waits for them.
func Serve(ctx context.Context, ports services.Localhost, log *slog.Logger) error {
	return newServer(log).serve(ctx, ports)
}

func newServer(log *slog.Logger) *server {
	return &server{
		dialer: net.Dialer{Timeout: dialLimit, KeepAliveConfig: keepAlive}, log: log, room: make(chan struct{}, maxConns),
		lookup: net.DefaultResolver.LookupNetIP, followEvery: time.Second,
	}
}

// serve is Serve.
func (s *server) serve(ctx context.Context, ports services.Localhost) error {
	for port, to := range ports {
		if err := s.listen(ctx, port, to); err != nil {
			s.close()
			return err
		}
	}
	for _, l := range s.listeners {
		s.conns.Go(func() { s.accept(ctx, l) })
	}
	for _, f := range s.followers {
		s.conns.Go(func() { f.run(ctx, s.followEvery) })
	}
	<-ctx.Done()
	s.close()
	s.conns.Wait()
	return nil
}

// server is the state of one Serve.
type server struct {
	dialer    net.Dialer
	log       *slog.Logger
	room      chan struct{}
	listeners []listener
	conns     sync.WaitGroup
	// lookup returns the addresses of a host; followers look up theirs every followEvery.
	lookup      func(ctx context.Context, network, host string) ([]netip.Addr, error)
	followEvery time.Duration
	followers   []*follower
}

// listener accepts the connections of one port on one address.
type listener struct {
	*net.TCPListener
	to string
	// follows has the connections if they end when a role moves, else it is nil.
	follows *follower
}

func (s *server) listen(ctx context.Context, port int, to string) error {
	lc := net.ListenConfig{KeepAliveConfig: keepAlive}
	to, byRole := services.CutRole(to)
	var follows *follower
	if byRole {
		follows = newFollower(to, s.lookup)
		s.followers = append(s.followers, follows)
	}
	for _, address := range addresses {
		l, err := lc.Listen(ctx, "tcp", net.JoinHostPort(address, strconv.Itoa(port)))
		if err != nil && address != addresses[0] && (errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)) {
			continue
		}
		if err != nil {
			return fmt.Errorf("cannot lead localhost:%d to %s: %w", port, to, err)
		}
		s.listeners = append(s.listeners, listener{l.(*net.TCPListener), to, follows})
	}
	return nil
}

func (s *server) close() {
	for _, l := range s.listeners {
		_ = l.Close()
	}
}

func (s *server) accept(ctx context.Context, l listener) {
	for {
		select {
		case s.room <- struct{}{}:
		case <-ctx.Done():
			return
		}
		c, err := l.AcceptTCP()
		if err != nil {
			<-s.room
			if errors.Is(err, net.ErrClosed) {
				return
			}
			s.log.Warn("cannot accept a connection", "address", l.Addr(), "error", err)
			wait(ctx, acceptPause)
			continue
		}
		s.conns.Go(func() {
			defer func() { <-s.room }()
			s.forward(ctx, c, l)
		})
	}
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// forward connects c with the listener's address until both directions have ended, or ctx ends.
func (s *server) forward(ctx context.Context, c *net.TCPConn, l listener) {
	up, err := s.dialer.DialContext(ctx, "tcp", l.to)
	if err != nil {
		s.log.Warn("cannot forward a connection", "port", c.LocalAddr().(*net.TCPAddr).Port, "to", l.to, "error", err)
		reset(c)
		return
	}
	server := up.(*net.TCPConn)
	stop := context.AfterFunc(ctx, func() { reset(c); reset(server) })
	defer stop()
	if l.follows != nil {
		k := &link{c, server}
		l.follows.add(k)
		defer l.follows.remove(k)
	}
	var back sync.WaitGroup
	back.Go(func() { half(c, server) })
	half(server, c)
	back.Wait()
	_ = c.Close()
	_ = server.Close()
}

// half copies src to dst. The end of src closes only the writing side of dst; an error resets both connections, so that a
// broken stream is not taken for a complete one.
func half(dst, src *net.TCPConn) {
	_, err := dst.ReadFrom(src)
	if err == nil {
		err = dst.CloseWrite()
	}
	if err != nil {
		reset(dst)
		reset(src)
	}
}

// reset closes c with a TCP reset.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}
