package watch

import (
	"io/fs"
	"sync"
	"time"
)

// poller is the source that scans all files periodically and reports differences.
type poller struct {
	walk     func(f func(path string, s stamp))
	interval time.Duration
	out      chan event
	stop     chan struct{}
	done     chan struct{}
	once     sync.Once
}

func newPoller(walk func(f func(path string, s stamp)), interval time.Duration) *poller {
	p := &poller{walk: walk, interval: interval, out: make(chan event, queued), stop: make(chan struct{}), done: make(chan struct{})}
	go p.run(p.look())
	return p
}

func (p *poller) run(last map[string]stamp) {
	defer close(p.done)
	wait := p.interval
	for {
		select {
		case <-p.stop:
			return
		case <-time.After(wait):
		}
		began := time.Now()
		now := p.look()
		for path, s := range now {
			if old, ok := last[path]; !ok || old != s {
				if !p.tell(path) {
					return
				}
			}
		}
		for path := range last {
			if _, ok := now[path]; !ok && !p.tell(path) {
				return
			}
		}
		last = now
		wait = max(p.interval, 5*time.Since(began)) // limits the CPU use for large trees
	}
}

func (p *poller) look() map[string]stamp {
	out := map[string]stamp{}
	p.walk(func(path string, s stamp) { out[path] = s })
	return out
}

func (p *poller) tell(path string) bool {
	select {
	case p.out <- event{path: path}:
		return true
	case <-p.stop:
		return false
	}
}

func (p *poller) add(string) error     { return nil }
func (p *poller) events() <-chan event { return p.out }

func (p *poller) close() error {
	p.once.Do(func() { close(p.stop) })
	<-p.done
	return nil
}

// walkAll calls f with every existing selected path. It reads only the tracker's roots, so it is safe for concurrent use.
func (t *tracker) walkAll(f func(path string, s stamp)) {
	for _, top := range t.tops() {
		t.walk(top, func(path string, info fs.FileInfo) { f(path, stampOf(info)) })
	}
}
