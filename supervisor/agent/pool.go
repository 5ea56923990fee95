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
	// dialAttempt bounds one try to reach an endpoint, dialTotal all of them together.
	dialAttempt = time.Second
	dialTotal   = 4 * time.Second
	// failedRest is how long an endpoint that could not be reached is tried last.
	failedRest = time.Second
	// stickySweep is how many remembered clients are let grow before the expired ones are dropped.
	stickySweep = 1024
)

var errNoEndpoint = errors.New("no ready endpoint")

// targetKey tells one target of a port from another, and from the same address in the pod's next life.
type targetKey struct {
	addr netip.AddrPort
	uid  string
}

// target is one endpoint's port and what goes to it now.
type target struct {
	key targetKey
	pod string

	// Guarded by the pool's mutex.
	active   int
	failed   time.Time
	gone     bool
	eligible bool
	links    map[io.Closer]bool
}

// pool balances one port of one Service over its targets. It picks the target with the fewest connections, and of equals
// the next in turn: long-lived connections (of database pools, say) spread evenly also when pods come one after another,
// and short ones go round robin. With affinity a client's address keeps its target until no new connection came for the
// timeout (R129), counted for each port by itself, as kube-proxy does.
type pool struct {
	mu       sync.Mutex
	affinity time.Duration
	wanted   []wantedTarget
	eligible []*target
	parked   map[targetKey]*target // no longer eligible, with connections still
	sticky   map[netip.Addr]stick
	turn     int
	total    uint64
}

type stick struct {
	key  targetKey
	last time.Time
}

// update replaces the targets. Connections to targets that are left out go on if alive says their pod still exists and
// are closed if not; closers that only live as long as their target is eligible (UDP flows) are closed either way.
func (p *pool) update(wanted []wantedTarget, affinity time.Duration, alive func(podKey) bool) {
	p.mu.Lock()
	var drop []io.Closer
	p.affinity = affinity
	if !slices.Equal(p.wanted, wanted) {
		drop = p.replace(wanted)
	}
	for key, t := range p.parked {
		if alive(podKey{key.addr.Addr(), key.uid}) {
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

// close ends the pool with everything that goes through it.
func (p *pool) close() { p.update(nil, 0, func(podKey) bool { return false }) }

// pick takes a target for a client, other than those tried, and counts it; the caller gives it back with release.
// It returns nil if there is none.
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

// release gives back what pick took.
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
	t.failed = now()
	p.mu.Unlock()
}

// hold ties c to the target: c is closed when the pod is gone. It reports false, and holds nothing, if that is so already.
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

// empty says whether no new connection could be served.
func (p *pool) empty() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.eligible) == 0
}

// dial connects to a target for client, trying others when one cannot be reached (nothing was sent yet, so that is
// safe). The caller releases the target. It blocks for at most dialTotal.
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
