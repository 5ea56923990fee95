package innerloop

import (
	"context"
	"errors"
	"sync"
	"time"
)

// errSuperseded is the cause by which a newer change cancels a task.
var errSuperseded = errors.New("superseded by a newer change")

// lane runs the tasks of one workload, or one build, one after the other.
//
//	idle --offer--> working --offer--> working, cancelled, with a next one --> working --> idle
//
// A task that was cancelled before its end is merged into the next one, so that none of its work is dropped.
type lane struct {
	loop *Loop
	name string
	run  func(context.Context, *task) error

	mu      sync.Mutex
	working bool
	next    *task
	cancel  context.CancelCauseFunc
	cycle   cycle
	// held waits for the pause of a write loop to pass.
	held *task
}

// offer gives the lane a task and returns at once.
func (n *lane) offer(t *task) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if t.quiet {
		n.take(t)
		return
	}
	v := n.cycle.judge(n.name, t)
	if v.message != "" {
		n.loop.report(t.workload, "WriteLoop", errors.New(v.message))
	}
	switch {
	case v.drop:
	case n.held != nil:
		n.held = n.held.merge(t)
	case v.pause > 0:
		n.held = t
		time.AfterFunc(v.pause, n.resume)
	default:
		n.take(t)
	}
}

// resume takes the task that was held.
func (n *lane) resume() {
	n.mu.Lock()
	defer n.mu.Unlock()
	t := n.held
	n.held = nil
	if t != nil && n.loop.ctx.Err() == nil {
		n.take(t)
	}
}

// take merges a task into the next one, and cancels the running one unless the new one is quiet; n.mu is held.
func (n *lane) take(t *task) {
	n.next = n.next.merge(t)
	if n.working {
		if !t.quiet {
			n.cancel(errSuperseded)
		}
		return
	}
	ctx := n.begin()
	n.working = n.loop.start(func() { n.work(ctx) })
}

// begin makes the next task's context; n.mu is held.
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
		n.cycle.start(t, time.Now())
		n.mu.Unlock()
		err := n.run(ctx, t)
		n.mu.Lock()
		n.cancel(nil)
		if errors.Is(err, errSuperseded) {
			n.next = t.merge(n.next)
		}
		n.cycle.end(time.Now())
		if n.next == nil || n.loop.ctx.Err() != nil {
			n.working = false
			n.mu.Unlock()
			return
		}
		ctx = n.begin()
		n.mu.Unlock()
	}
}
