package agent

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxResets bounds the resets that are tried at a time.
	maxResets = 128
	// resetTimeout bounds one: a host may answer only the second SYN (it limits its answers to one in 0.5 s for a connection).
	resetTimeout = 2 * time.Second
	// resetGrace is how long the agent's end waits for those under way.
	resetGrace = 200 * time.Millisecond
)

// resets ends connections that are not the agent's own at one of their ends. A reset must carry the sequence number that the
// host expects, which the agent does not know. But the host tells it: it answers a SYN on an established connection with an ACK
// that names it, and the kernel, which expected something else after its SYN, answers that ACK with the right reset (RFC 9293,
// 3.5.1, half-open connections; RFC 5961, 4.2). So all that is needed is to connect with the addresses of the connection.
type resets struct {
	ctx     context.Context
	cancel  context.CancelFunc
	slots   chan struct{}
	running sync.WaitGroup
}

func newResets() *resets {
	r := &resets{slots: make(chan struct{}, maxResets)}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// reset ends the connection from..to at the host of to, in the background. from is an address of this network namespace.
func (r *resets) reset(from, to netip.AddrPort) {
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(from), Timeout: resetTimeout, Control: sharedPort}
	r.running.Go(func() {
		select {
		case r.slots <- struct{}{}:
			defer func() { <-r.slots }()
		case <-r.ctx.Done():
			return
		}
		c, err := d.DialContext(r.ctx, "tcp4", to.String())
		if err == nil { // there was no such connection, and the host took the SYN for a new one
			reset(c.(*net.TCPConn))
		}
	})
}

// stop gives what is under way resetGrace to end.
func (r *resets) stop() {
	timer := time.AfterFunc(resetGrace, r.cancel)
	r.running.Wait()
	timer.Stop()
	r.cancel()
}

// sharedPort lets a socket have the address of a listener of this process.
func sharedPort(_, _ string, c syscall.RawConn) (err error) {
	if ctl := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) }); ctl != nil {
		return ctl
	}
	return err
}
