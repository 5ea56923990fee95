package supervisor

import (
	"context"
	"errors"
	"sync"
)

// errSuperseded is the cause by which a newer change ends what it makes pointless.
var errSuperseded = errors.New("superseded by a newer change")

// lane does the tasks of one workload, or one build, one after the other.
//
//	idle --offer--> working --offer--> working, cancelled, with a next one --> working --> idle
//
// A task that was cancelled before it was done is merged into the next one, so nothing that it had to do is dropped.
type lane struct {
	loop *innerLoop
	name string
	do   func(context.Context, *task) error

	mu      sync.Mutex
	working bool
	next    *task
	cancel  context.CancelCauseFunc
	cycle   cycle
}

// offer gives the lane something to do. It does not wait.
func (n *lane) offer(t *task) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.next = n.next.merge(t)
	if n.working {
		if !t.quiet {
			n.cancel(errSuperseded)
		}
		return
	}
	ctx := n.begin()
	n.loop.wg.Go(func() { n.work(ctx) })
}

// begin takes the next task's context; n.mu is held.
func (n *lane) begin() context.Context {
	ctx, cancel := context.WithCancelCause(n.loop.ctx)
	n.working, n.cancel = true, cancel
	return ctx
}

func (n *lane) work(ctx context.Context) {
	for {
		n.mu.Lock()
		t := n.next
		n.next = nil
		n.mu.Unlock()
		err := n.do(ctx, t)
		n.mu.Lock()
		n.cancel(nil)
		if errors.Is(err, errSuperseded) {
			n.next = t.merge(n.next)
		}
		if n.next == nil || n.loop.ctx.Err() != nil {
			n.working = false
			n.mu.Unlock()
			return
		}
		ctx = n.begin()
		n.mu.Unlock()
	}
}
