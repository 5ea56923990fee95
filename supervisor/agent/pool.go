package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// dialAttempt is the timeout of one connection attempt to an endpoint, dialTotal of all attempts together.
	dialAttempt = time.Second
	dialTotal   = 4 * time.Second
	// failedRest is how long an endpoint that could not be reached is used only as the last choice.
	failedRest = time.Second
	// stickySweep is the number of remembered clients above which expired ones are dropped.
	stickySweep = 1024
)

var errNoEndpoint = errors.New("no ready endpoint")

// targetKey identifies a target of a port. It includes the pod's UID, since a later pod may have the same address.
type targetKey struct {
	addr netip.AddrPort
	uid  string
}

// target is one endpoint's port and its open connections.
type target struct {
	key targetKey
	pod string

	// Guarded by the pool's mutex.
	active   int
	failed   time.Time
	gone     bool
	eligible bool
	// reached is true once a connection was made since the target became eligible.
	reached bool
	links   map[io.Closer]bool
}

// pool balances the connections to one port of one Service over its targets. It picks the target with the fewest open
// connections, and among equals round robin: long-lived connections (for example of database pools) are spread evenly even if
// the pods start one after another, and short ones go round robin. With affinity a client's address keeps its target until it
// has made no new connection for the timeout (R129), per port, as in kube-proxy.
type pool struct {
	mu       sync.Mutex
	affinity time.Duration
	wanted   []wantedTarget
	eligible []*target
	parked   map[targetKey]*target // no longer eligible, still with open connections
	sticky   map[netip.Addr]stick
	turn     int
	total    uint64
}

type stick struct {
	key  targetKey
	last time.Time
}

// update replaces the targets. Connections to removed targets stay open if keeps returns true for their pod, and are reset
// otherwise. UDP flows to removed targets are closed in any case.
func (p *pool) update(wanted []wantedTarget, affinity time.Duration, keeps func(podKey) bool) {
	p.mu.Lock()
	var drop []io.Closer
	p.affinity = affinity
	if !slices.Equal(p.wanted, wanted) {
		drop = p.replace(wanted)
	}
	for key, t := range p.parked {
		if keeps(podKey{key.addr.Addr(), key.uid}) {
			continue
		}
		t.gone = true
		for c := range t.links {
			drop = append(drop, c)
		}
		delete(p.parked, key)
	}
	p.mu.Unlock()
	for _, c := range drop {
		c.Close()
	}
}

// replace makes the wanted targets the eligible ones, and parks those that still have connections.
func (p *pool) replace(wanted []wantedTarget) (drop []io.Closer) {
	old := p.eligible
	find := func(key targetKey) *target {
		for _, t := range old {
			if t.key == key {
				return t
			}
		}
		return p.parked[key]
	}
	next := make([]*target, 0, len(wanted))
	for _, t := range old {
		t.eligible = false
	}
	for i, w := range wanted {
		var t *target
		if i < len(old) && old[i].key == w.key {
			t = old[i]
		} else if t = find(w.key); t == nil {
			t = &target{key: w.key, pod: w.pod}
		}
		t.eligible = true
		delete(p.parked, w.key)
		next = append(next, t)
	}
	for _, t := range old {
		if t.eligible {
			continue
		}
		t.reached = false
		for c := range t.links {
			if _, bound := c.(*udpFlow); bound {
				drop = append(drop, c)
			}
		}
		if t.active == 0 {
			continue
		}
		if p.parked == nil {
			p.parked = make(map[targetKey]*target)
		}
		p.parked[t.key] = t
	}
	p.wanted, p.eligible = wanted, next
	return drop
}

// close closes the pool and all its connections.
func (p *pool) close() { p.update(nil, 0, func(podKey) bool { return false }) }

// pick returns a target for a client, except those tried, and counts a connection to it until release. It returns nil if there
// is none.
func (p *pool) pick(client netip.Addr, tried []*target) *target {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := now()
	t := p.remembered(client, tried, at)
	if t == nil {
		t = p.least(tried, at)
	}
	if t == nil {
		return nil
	}
	if p.affinity > 0 {
		p.remember(client, t.key, at)
	}
	t.active++
	p.total++
	return t
}

func (p *pool) remembered(client netip.Addr, tried []*target, at time.Time) *target {
	s, ok := p.sticky[client]
	if p.affinity == 0 || !ok || at.Sub(s.last) >= p.affinity {
		return nil
	}
	for _, t := range p.eligible {
		if t.key == s.key && !slices.Contains(tried, t) {
			return t
		}
	}
	return nil
}

func (p *pool) remember(client netip.Addr, key targetKey, at time.Time) {
	if p.sticky == nil {
		p.sticky = make(map[netip.Addr]stick)
	}
	if len(p.sticky) >= stickySweep {
		for c, s := range p.sticky {
			if at.Sub(s.last) >= p.affinity {
				delete(p.sticky, c)
			}
		}
	}
	p.sticky[client] = stick{key, at}
}

func (p *pool) least(tried []*target, at time.Time) *target {
	n := len(p.eligible)
	var best *target
	bestAt, bestRests := 0, false
	for i := range n {
		k := (p.turn + i) % n
		t := p.eligible[k]
		if slices.Contains(tried, t) {
			continue
		}
		rests := at.Sub(t.failed) < failedRest
		if best == nil || (bestRests && !rests) || (bestRests == rests && t.active < best.active) {
			best, bestAt, bestRests = t, k, rests
		}
	}
	if best != nil {
		p.turn = (bestAt + 1) % n
	}
	return best
}

// release ends the connection counted by pick.
func (p *pool) release(t *target) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t.active--
	if t.active == 0 && !t.eligible && p.parked[t.key] == t {
		delete(p.parked, t.key)
	}
}

// failed makes the target the last choice for a while.
func (p *pool) failed(t *target) {
	p.mu.Lock()
	t.failed, t.reached = now(), false
	p.mu.Unlock()
}

// reached notes that a connection to the target was made. It returns true if the pool has become settled by that.
func (p *pool) reached(t *target) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.reached || !t.eligible {
		return false
	}
	t.reached = true
	return p.settled()
}

// settled says that nothing is lost if the kernel chooses the target. The kernel cannot try another target when one refuses a
// connection, as one does that is ready without a readiness probe but does not listen yet. So all must have been reached, unless
// there is no other anyway, or affinity leaves no choice. Called with mu held.
func (p *pool) settled() bool {
	if p.affinity > 0 || len(p.eligible) == 1 {
		return true
	}
	return !slices.ContainsFunc(p.eligible, func(t *target) bool { return !t.reached })
}

// kernelPort is what the kernel needs to choose the targets; false if the agent has to, or if there are none. Datagrams are
// never tried again, so that all UDP ports can be the kernel's.
func (p *pool) kernelPort(udp bool) (kernelPort, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	port := kernelPort{affinity: p.affinity}
	for _, t := range p.eligible {
		port.targets = append(port.targets, t.key)
	}
	return port, len(port.targets) > 0 && (udp || p.settled())
}

// hold registers c to be closed by update. It returns false if the connections to the target have been closed already.
func (p *pool) hold(t *target, c io.Closer) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.gone {
		return false
	}
	if t.links == nil {
		t.links = make(map[io.Closer]bool)
	}
	t.links[c] = true
	return true
}

func (p *pool) drop(t *target, c io.Closer) {
	p.mu.Lock()
	delete(t.links, c)
	p.mu.Unlock()
}

// empty reports whether the pool has no eligible target.
func (p *pool) empty() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.eligible) == 0
}

// dial connects to a target for client. If one cannot be reached it tries others, which is safe since nothing was sent yet. The
// caller must release the target. It blocks for at most dialTotal.
func (p *pool) dial(ctx context.Context, d *net.Dialer, client netip.Addr) (*net.TCPConn, *target, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTotal)
	defer cancel()
	var tried []*target
	var errs []error
	for ctx.Err() == nil {
		t := p.pick(client, tried)
		if t == nil {
			break
		}
		attempt, stop := context.WithTimeout(ctx, dialAttempt)
		c, err := d.DialContext(attempt, "tcp4", t.key.addr.String())
		stop()
		if err == nil {
			return c.(*net.TCPConn), t, nil
		}
		p.release(t)
		p.failed(t)
		tried, errs = append(tried, t), append(errs, err)
	}
	if len(errs) == 0 {
		return nil, nil, errNoEndpoint
	}
	return nil, nil, fmt.Errorf("cannot reach any endpoint: %w", errors.Join(errs...))
}

func (p *pool) stats(name string) PortStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := PortStats{Port: name, Total: p.total, Active: make(map[string]int, len(p.eligible))}
	for _, t := range p.eligible {
		s.Active[t.key.addr.String()] += t.active
	}
	for key, t := range p.parked {
		s.Active[key.addr.String()] += t.active
	}
	return s
}
