// Package agent implements the network agent of a project, which runs in a small container of the project's Docker network. It
// is the stack's name server (like CoreDNS), load balancer for Service addresses (like kube-proxy), ingress controller, and
// dialer for the supervisor's connections into the network.
//
// The supervisor pushes a Table over the control API whenever an endpoint changes. The agent keeps serving the last table
// while no supervisor is running, and stores it in a file, so that it serves it again after its own restart.
//
// Names: the zone cluster.local as CoreDNS serves it, R125-R128 (zone.go); names of one label that are not in it are looked up by
// Docker, which knows plain Compose services with their aliases, if the table says that there are any. Service addresses: the agent listens on the VIP for
// every port that has an endpoint. Without an endpoint there is no listener, so that connections are refused at once
// (proxy.go, pool.go). Pods see the agent's address as the client address; only the ingress passes the client's address on, in
// X-Forwarded-For.
package agent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// server is one running agent.
type server struct {
	cfg     Config
	started time.Time
	id      string
	index   atomic.Pointer[index]
	names   *resolver
	proxy   *proxy
	// links ends when established connections must be closed.
	links context.Context

	pushing  sync.Mutex // one table at a time
	problems []string
}

// Run runs the agent until ctx ends. It then stops accepting, gives established connections Config.Drain to finish, and removes
// the service addresses from the interface. It returns an error if the agent could not start or a listener failed.
func Run(ctx context.Context, cfg Config) error {
	cfg, err := cfg.complete()
	if err != nil {
		return err
	}
	if cfg.addresses == nil {
		if cfg.addresses, err = openAddresses(cfg.Address); err != nil {
			return err
		}
		if err := keepGateway(cfg); err != nil {
			cfg.Log.Warn("remote clients of host ports may get no reply", "error", err)
		}
		cfg.follow = followRoutes
	}
	links, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	a, err := newServer(ctx, links, cfg)
	if err != nil {
		return err
	}
	a.proxy.openKernel(cfg)
	a.restore()
	err = a.serve(ctx)
	a.proxy.stop(links)
	stop := time.AfterFunc(cfg.Drain, cut)
	defer stop.Stop()
	a.proxy.wait()
	a.proxy.release()
	return err
}

func newServer(ctx, links context.Context, cfg Config) (*server, error) {
	a := &server{cfg: cfg, started: now(), id: rand.Text(), links: links}
	a.index.Store(newIndex(&Table{Format: TableFormat}))
	a.names = &resolver{
		zone: zone{own: cfg.Address, subnet: cfg.Subnet}, index: &a.index, forward: newForwarder(cfg.Upstreams),
		docker: newForwarder([]string{cfg.dockerDNS}), base: ctx,
	}
	var in *ingress
	p, err := newProxy(cfg, func(l net.Listener) front { return in.front(l) })
	if err != nil {
		return nil, err
	}
	a.proxy = p
	in = newIngress(&a.index, p.dialer, cfg.Log, p.pool)
	return a, nil
}

// restore serves the table that a previous run stored.
func (a *server) restore() {
	t, err := loadTable(a.cfg.StateFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		a.cfg.Log.Warn("starting without a table", "error", err)
	default:
		a.use(t)
		a.cfg.Log.Info("serving the stored table", "table", t.Version, "services", len(t.Services))
	}
}

// push makes t the current table and stores it. It returns false if t is older than the current table.
func (a *server) push(t *Table, raw []byte) (Pushed, bool) {
	a.pushing.Lock()
	defer a.pushing.Unlock()
	if current := a.index.Load().table.Version; t.Version < current {
		return Pushed{Version: current}, false
	}
	problems := a.use(t)
	if err := saveTable(a.cfg.StateFile, raw); err != nil {
		problems = append(problems, err.Error())
	}
	for _, p := range problems {
		a.cfg.Log.Warn("parts of the table cannot be served", "table", t.Version, "problem", p)
	}
	a.problems = problems
	return Pushed{Version: t.Version, Problems: problems}, true
}

func (a *server) use(t *Table) []string {
	ix := newIndex(t)
	a.index.Store(ix)
	return a.proxy.apply(a.links, ix)
}

// serve runs the name server and the control API until ctx ends or one of them fails.
func (a *server) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	defer running.Wait()
	run := func(what string, serve func() error) {
		running.Go(func() {
			if err := serve(); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("cannot serve %s: %w", what, err))
			}
		})
	}
	closers, err := a.listen(ctx, run)
	if err == nil {
		a.cfg.Log.Info("agent serves", "address", a.cfg.Address.String(), "subnet", a.cfg.Subnet.String(), "version", a.cfg.Version)
		<-ctx.Done()
		if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) && !errors.Is(cause, context.DeadlineExceeded) {
			err = cause
		}
	}
	cancel(nil)
	for _, c := range closers {
		c()
	}
	return err
}

// listen opens the listeners on the agent's own address (and, for names, on the loopback), and passes each to run.
func (a *server) listen(ctx context.Context, run func(string, func() error)) (closers []func(), err error) {
	hosts := []netip.Addr{a.cfg.Address}
	if loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1}); a.cfg.Address != loopback {
		hosts = append(hosts, loopback)
	}
	for _, h := range hosts {
		at := netip.AddrPortFrom(h, a.cfg.dnsPort)
		conn, err := listenUDP(at)
		if err != nil {
			return closers, fmt.Errorf("cannot serve names at %s/UDP: %w", at, err)
		}
		udp := &dns.Server{PacketConn: conn, Handler: a.names, UDPSize: ednsSize}
		run("names", udp.ActivateAndServe)
		closers = append(closers, func() { _, _ = udp.Shutdown(), conn.Close() })
		l, err := listenTCP(at)
		if err != nil {
			return closers, fmt.Errorf("cannot serve names at %s/TCP: %w", at, err)
		}
		tcp := &dns.Server{Listener: l, Handler: a.names}
		run("names", tcp.ActivateAndServe)
		closers = append(closers, func() { _, _ = tcp.Shutdown(), l.Close() })
	}
	at := netip.AddrPortFrom(a.cfg.Address, a.cfg.controlPort)
	l, err := listenTCP(at)
	if err != nil {
		return closers, fmt.Errorf("cannot serve the control API at %s: %w", at, err)
	}
	srv := controlServer(newControl(a.cfg.Token, a), a.cfg.Log)
	run("the control API", func() error {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	if a.cfg.follow != nil {
		run("published ports", func() error { return a.serveOutlet(ctx, srv, run) })
	}
	return append(closers, func() { srv.Close() }), nil
}

func (a *server) health() Health {
	h := Health{
		Version: a.cfg.Version, Instance: a.id, Table: a.index.Load().table.Version,
		Limit: cap(a.proxy.room.slots), Waited: a.proxy.room.waited.Load(),
	}
	h.Datapath, h.Fallback = a.proxy.datapath()
	return h
}

func (a *server) stats() Stats {
	p := a.proxy
	s := Stats{
		Health: a.health(), Uptime: time.Since(a.started).Seconds(),
		Connections: p.count.conns.Load(), Open: p.count.open.Load(), Failed: p.count.failed.Load(), Bytes: p.count.bytes.Load(),
		NamesLocal: a.names.count.local.Load(), NamesForwarded: a.names.count.forwarded.Load(),
	}
	a.pushing.Lock()
	s.Problems = a.problems
	a.pushing.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	inKernel := p.addKernel(&s)
	for key, pl := range p.pools {
		port := pl.stats(key.String())
		for target, open := range inKernel[key] {
			port.Active[target] += open
		}
		s.Ports = append(s.Ports, port)
	}
	sort.Slice(s.Ports, func(i, j int) bool { return s.Ports[i].Port < s.Ports[j].Port })
	return s
}
