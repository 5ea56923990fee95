package agent

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
)

// outlet is the address at which Docker publishes the agent's ports while that is not the agent's own. Docker publishes at the
// network of the default route, and chooses that anew whenever the container is connected to a network: by name. The zero
// outlet is none.
type outlet struct {
	addr    netip.Addr
	subnet  netip.Prefix
	gateway netip.Addr
}

// admits says whether a client may use host ports at the outlet: the host may, which is the gateway there, and clients beyond
// it. The containers of the outlet's network may not: what is published may be in a network that they have no part in.
func (o outlet) admits(client netip.Addr) bool {
	client = client.Unmap()
	return client == o.gateway || !o.subnet.Contains(client)
}

// followOutlet calls use with the present outlet and with each later one until ctx ends.
type followOutlet func(ctx context.Context, own netip.Addr, use func(outlet)) error

// gate accepts the connections of those clients that are admitted, and closes all others.
type gate struct {
	net.Listener
	admits func(netip.Addr) bool
}

// Accept implements net.Listener.
func (g gate) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil || g.admits(c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr()) {
			return c, err
		}
		c.Close()
	}
}

// serveOutlet serves host ports and the control API at the outlet too, until ctx ends.
func (a *server) serveOutlet(ctx context.Context, control *http.Server, run func(string, func() error)) error {
	var now net.Listener
	defer func() {
		if now != nil {
			now.Close()
		}
	}()
	return a.cfg.follow(ctx, a.cfg.Address, func(o outlet) {
		a.cfg.Log.Info("host ports are published", "at", o.addr)
		a.pushing.Lock()
		problems := a.proxy.useOutlet(a.links, a.index.Load(), o)
		a.pushing.Unlock()
		for _, p := range problems {
			a.cfg.Log.Warn("parts of the table cannot be served", "problem", p)
		}
		if now != nil {
			now.Close()
			now = nil
		}
		if !o.addr.IsValid() {
			return
		}
		l, err := listenTCP(netip.AddrPortFrom(o.addr, a.cfg.controlPort))
		if err != nil {
			a.cfg.Log.Warn("cannot serve the control API", "at", o.addr, "error", err)
			return
		}
		now = l
		run("the control API", func() error {
			err := control.Serve(gate{l, o.admits})
			if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		})
	})
}
