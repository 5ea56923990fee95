package agent

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"syscall"
	"time"
)

// Values of dialErrorHeader in the reply to a failed CONNECT, from which the client restores the dial error.
const (
	dialErrorHeader   = "Lyandev-Dial-Error"
	dialTimeoutHeader = "Lyandev-Dial-Timeout" // milliseconds
	dialRefused       = "refused"
	dialTimeout       = "timeout"
	dialUnreachable   = "unreachable"
	dialForbidden     = "forbidden"
	dialUnknown       = "unknown-host"

	maxDialTimeout = 30 * time.Second
)

// connect is the dialer: CONNECT host:port, where host is an address in the project's subnet or a name in the zone.
func (a *server) connect(w http.ResponseWriter, r *http.Request) {
	fail := func(status int, code string, err error) {
		w.Header().Set(dialErrorHeader, code)
		http.Error(w, err.Error(), status)
	}
	to, code, err := a.dialTarget(r.Host)
	if err != nil {
		fail(http.StatusForbidden, code, err)
		return
	}
	timeout := maxDialTimeout
	if ms, err := strconv.Atoi(r.Header.Get(dialTimeoutHeader)); err == nil && ms > 0 {
		timeout = min(timeout, time.Duration(ms)*time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	up, err := a.proxy.dialer.DialContext(ctx, "tcp4", to.String())
	if err != nil {
		fail(http.StatusBadGateway, dialCode(err), err)
		return
	}
	down, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		up.Close()
		fail(http.StatusInternalServerError, dialUnreachable, err)
		return
	}
	// The HTTP server does not track hijacked connections; the agent waits for them itself when it stops.
	if !a.proxy.enter() {
		down.Close()
		up.Close()
		return
	}
	defer a.proxy.running.Done()
	_ = down.SetDeadline(time.Time{})
	a.tunnel(down.(*net.TCPConn), up.(*net.TCPConn), buffered.Reader)
}

func (a *server) tunnel(down, up *net.TCPConn, early *bufio.Reader) {
	l := &link{a: down, b: up}
	stop := context.AfterFunc(a.links, func() { l.Close() })
	defer stop()
	_, err := down.Write([]byte("HTTP/1.1 200 Connected\r\n\r\n"))
	if n := early.Buffered(); n > 0 && err == nil {
		head, _ := early.Peek(n)
		_, err = up.Write(head)
	}
	if err != nil {
		l.Close()
		return
	}
	l.run()
}

// dialTarget returns the target address of a CONNECT.
func (a *server) dialTarget(hostport string) (netip.AddrPort, string, error) {
	host, portText, err := net.SplitHostPort(hostport)
	if err != nil {
		return netip.AddrPort{}, dialForbidden, fmt.Errorf("cannot dial %q: %w", hostport, err)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil || port == 0 {
		return netip.AddrPort{}, dialForbidden, fmt.Errorf("cannot dial %q: the port is not a number from 1 to 65535", hostport)
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		found, ok := a.names.lookup(host)
		if !ok {
			return netip.AddrPort{}, dialUnknown, fmt.Errorf("cannot dial %q: no such name in the stack", hostport)
		}
		addr = found
	}
	if addr = addr.Unmap(); !a.cfg.Subnet.Contains(addr) {
		return netip.AddrPort{}, dialForbidden, fmt.Errorf("cannot dial %q: %s is outside the project's subnet %s", hostport, addr, a.cfg.Subnet)
	}
	return netip.AddrPortFrom(addr, uint16(port)), "", nil
}

func dialCode(err error) string {
	var ne net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return dialRefused
	case errors.As(err, &ne) && ne.Timeout():
		return dialTimeout
	}
	return dialUnreachable
}
