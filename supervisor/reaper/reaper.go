// Package reaper removes the Docker objects that killed test runs leave behind. It implements the protocol of testcontainers'
// Ryuk and replaces it where its image is not available: a client keeps a TCP connection open and sends lines of label filters,
// each acknowledged with "ACK". When no client has been connected for ReconnectionTimeout, the reaper removes the objects that
// match any filter, and ends.
//
//	waiting for the first client --(a client)--> watching --(the last one left)--> counting down
//	     |  ConnectionTimeout                       ^                                 |  ReconnectionTimeout
//	     v                                          +----------(a client)-------------+
//	   ended                                                                          v
//	                                                                          pruning --> ended
package reaper

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"time"
)

// Command is the name of the hidden command that runs a reaper in its container.
const Command = "reaper"

// maxLine bounds one line of filters.
const maxLine = 64 << 10

// Config configures a reaper.
type Config struct {
	Engine Engine
	// ConnectionTimeout is how long to wait for the first client, ReconnectionTimeout how long for another one after the last
	// disconnected.
	ConnectionTimeout, ReconnectionTimeout time.Duration
	Log                                    *slog.Logger
}

// ConfigFromEnv reads Ryuk's variables: RYUK_CONNECTION_TIMEOUT (1m) and RYUK_RECONNECTION_TIMEOUT (10s).
func ConfigFromEnv(getenv func(string) string) (Config, error) {
	c := Config{ConnectionTimeout: time.Minute, ReconnectionTimeout: 10 * time.Second}
	for name, to := range map[string]*time.Duration{
		"RYUK_CONNECTION_TIMEOUT": &c.ConnectionTimeout, "RYUK_RECONNECTION_TIMEOUT": &c.ReconnectionTimeout,
	} {
		v := getenv(name)
		if v == "" {
			continue
		}
		d, err := time.ParseDuration(v)
		if err != nil || d < 0 {
			return c, fmt.Errorf("cannot use %s=%q: it must be a duration like 10s", name, v)
		}
		*to = d
	}
	return c, nil
}

// Run serves clients on l until a timeout expires, then prunes and returns. If ctx ends, it prunes only if no client is
// connected. It closes l.
func Run(ctx context.Context, conf Config, l net.Listener) error {
	r := &reaper{conf: conf, changed: make(chan struct{}, 1), filters: map[string]Filter{}, conns: map[net.Conn]bool{}}
	accepted := make(chan error, 1)
	go func() { accepted <- r.accept(l) }()
	err := r.wait(ctx, accepted)
	_ = l.Close()
	filters, busy := r.end()
	if err != nil || busy || len(filters) == 0 {
		return err
	}
	removed, err := Prune(context.WithoutCancel(ctx), conf.Engine, filters)
	conf.Log.Info("pruned", "removed", removed.String(), "error", err)
	return err
}

type reaper struct {
	conf    Config
	wg      sync.WaitGroup
	changed chan struct{}

	mu      sync.Mutex
	filters map[string]Filter
	conns   map[net.Conn]bool
	ended   bool
}

// wait blocks until a timeout expires, ctx ends, or the listener fails (an error).
func (r *reaper) wait(ctx context.Context, accepted <-chan error) error {
	timer := time.NewTimer(r.conf.ConnectionTimeout)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-accepted:
			return err
		case <-timer.C:
			if r.clients() == 0 {
				return nil
			}
		case <-r.changed:
			timer.Stop()
			if r.clients() == 0 {
				timer.Reset(r.conf.ReconnectionTimeout)
			}
		}
	}
}

func (r *reaper) clients() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.conns)
}

// end closes the connections, waits until the clients' goroutines have ended, and returns the filters.
func (r *reaper) end() (filters []Filter, busy bool) {
	r.mu.Lock()
	r.ended = true
	busy = len(r.conns) > 0
	for c := range r.conns {
		_ = c.Close()
	}
	for _, k := range slices.Sorted(maps.Keys(r.filters)) {
		filters = append(filters, r.filters[k])
	}
	r.mu.Unlock()
	r.wg.Wait()
	return filters, busy
}

func (r *reaper) accept(l net.Listener) error {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot accept clients at %s: %w", l.Addr(), err)
		}
		if !r.joined(c) {
			_ = c.Close()
			return nil
		}
		r.wg.Go(func() { r.serve(c); r.left(c) })
	}
}

func (r *reaper) joined(c net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return false
	}
	r.conns[c] = true
	r.tell()
	return true
}

func (r *reaper) left(c net.Conn) {
	_ = c.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
	r.tell()
}

// tell is called with the lock held.
func (r *reaper) tell() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// serve serves one client until it disconnects. An invalid line is not acknowledged.
func (r *reaper) serve(c net.Conn) {
	lines := bufio.NewScanner(c)
	lines.Buffer(make([]byte, 4<<10), maxLine)
	for lines.Scan() {
		f, err := ParseFilter(lines.Text())
		if err != nil {
			r.conf.Log.Warn("ignored an invalid filter", "error", err)
			continue
		}
		r.mu.Lock()
		r.filters[f.String()] = f
		r.mu.Unlock()
		if _, err := c.Write([]byte("ACK\n")); err != nil {
			return
		}
	}
}
