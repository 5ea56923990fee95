package loopback

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// link is a connection of the pod and the one that it is forwarded to.
type link struct{ client, server *net.TCPConn }

// follower resets the connections to addresses that a host's name no longer has.
type follower struct {
	host   string
	lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)

	mu    sync.Mutex
	links map[*link]netip.Addr
}

// newFollower returns the follower of the host of a "host:port".
func newFollower(to string, lookup func(context.Context, string, string) ([]netip.Addr, error)) *follower {
	host, _, _ := net.SplitHostPort(to) // checked by services.ParseLocalhost
	return &follower{host: host, lookup: lookup, links: map[*link]netip.Addr{}}
}

func (f *follower) add(k *link) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.links[k] = k.server.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
}

func (f *follower) remove(k *link) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.links, k)
}

// run looks the name up at intervals while there are connections, until ctx ends. A name without an address changes nothing: nobody
// has taken over.
func (f *follower) run(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if f.idle() {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, dialLimit)
		now, err := f.lookup(limited, "ip", f.host)
		cancel()
		if err == nil && len(now) > 0 {
			f.keep(now)
		}
	}
}

func (f *follower) idle() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.links) == 0
}

// keep resets the connections to all other addresses.
func (f *follower) keep(now []netip.Addr) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for k, at := range f.links {
		if !slices.ContainsFunc(now, func(a netip.Addr) bool { return a.Unmap() == at }) {
			reset(k.client)
			reset(k.server)
		}
	}
}
