package harness

import (
	"context"
	"sync"

	"github.com/lyandev/lyandev/supervisor/state"
)

// Recording is the snapshots of a stretch of time, for what must hold all the way.
type Recording struct {
	mu   sync.Mutex
	list []*state.Status
	stop context.CancelFunc
	done chan struct{}
}

// Record begins to collect snapshots, at most until the supervisor or the test ends. A reader that is too slow misses
// some; none is older than those before it. The first is there when Record returns.
func (i *Instance) Record() *Recording {
	i.t.Helper()
	ctx, cancel := context.WithCancel(i.t.Context())
	r := &Recording{stop: cancel, done: make(chan struct{})}
	first := make(chan struct{})
	var once sync.Once
	go func() {
		defer close(r.done)
		_ = i.client.WatchState(ctx, func(s *state.Status) bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.list = append(r.list, s)
			once.Do(func() { close(first) })
			return true
		})
	}()
	select {
	case <-first:
	case <-r.done:
		i.t.Fatal("cannot record: no supervisor answers")
	}
	i.t.Cleanup(func() { r.Stop() })
	return r
}

// Stop ends the recording and returns it, oldest first.
func (r *Recording) Stop() []*state.Status {
	r.stop()
	<-r.done
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.list
}
