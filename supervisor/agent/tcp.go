package agent

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// keepAlive detects peers that vanished without closing the connection (a removed container) within about a minute.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3}

// traffic counts connections and bytes.
type traffic struct {
	conns, open, bytes, failed atomic.Int64
}

// tcpFront accepts connections on one address and forwards them to a pool.
type tcpFront struct {
	listener *net.TCPListener
	admits   func(client netip.Addr) bool
	pool     *pool
	dialer   *net.Dialer
	count    *traffic
	room     *room
	// settled is called when the pool has become settled.
	settled func()
}

func listenTCP(at netip.AddrPort) (*net.TCPListener, error) {
	lc := net.ListenConfig{KeepAliveConfig: keepAlive, Control: sharedPort}
	l, err := lc.Listen(context.Background(), "tcp4", at.String())
	if err != nil {
		return nil, err
	}
	return l.(*net.TCPListener), nil
}

// Run accepts connections until the front is closed, and returns when they have ended. The end of ctx closes them.
func (f *tcpFront) Run(ctx context.Context) error {
	var conns sync.WaitGroup
	defer conns.Wait()
	stop := context.AfterFunc(ctx, func() { f.listener.Close() })
	defer stop()
	for {
		c, err := f.listener.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil { // temporary: out of file descriptors, or the client has disconnected
			pause := time.NewTimer(5 * time.Millisecond)
			select {
			case <-ctx.Done():
			case <-pause.C:
			}
			pause.Stop()
			continue
		}
		if !f.admits(c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr()) {
			reset(c)
			continue
		}
		if !f.room.enter(ctx) {
			reset(c)
			return nil
		}
		conns.Go(func() {
			defer f.room.leave()
			f.serve(ctx, c)
		})
	}
}

// Close stops accepting. Established connections stay open.
func (f *tcpFront) Close() error { return f.listener.Close() }

func (f *tcpFront) serve(ctx context.Context, client *net.TCPConn) {
	f.count.conns.Add(1)
	f.count.open.Add(1)
	defer f.count.open.Add(-1)
	from := client.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
	server, t, err := f.pool.dial(ctx, f.dialer, from)
	if err != nil {
		f.count.failed.Add(1)
		reset(client)
		return
	}
	defer f.pool.release(t)
	if f.pool.reached(t) {
		f.settled()
	}
	l := &link{a: client, b: server}
	if !f.pool.hold(t, l) {
		l.Close()
		return
	}
	defer f.pool.drop(t, l)
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	f.count.bytes.Add(l.run())
}

// link forwards between two connections.
type link struct{ a, b *net.TCPConn }

// run copies in both directions until both sides have finished, and returns the number of bytes. ReadFrom between two TCP
// connections uses splice, so the bytes are not copied to user space.
func (l *link) run() int64 {
	back := make(chan int64)
	go func() { back <- l.half(l.a, l.b) }()
	n := l.half(l.b, l.a)
	n += <-back
	l.a.Close()
	l.b.Close()
	return n
}

// half copies src to dst. The end of src closes only the write side of dst. After an error both connections are reset, so that a
// broken stream is not mistaken for a complete one.
func (l *link) half(dst, src *net.TCPConn) int64 {
	n, err := dst.ReadFrom(src)
	if err == nil {
		err = dst.CloseWrite()
	}
	if err != nil {
		l.Close()
	}
	return n
}

// Close resets both connections.
func (l *link) Close() error {
	reset(l.a)
	reset(l.b)
	return nil
}

// reset closes c with a TCP reset.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}
