package supervisor

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// errStopping is the cause with which a stop ends the calls that are going on.
var errStopping = errors.New("the stack is being stopped; run `lyandev up` when that has ended")

// callers are the calls from outside the loop that make objects on the engine: applies, one-off containers, snapshots. The end of
// the stack waits for them, and they never wait for it: what they ask the loop for is answered with an error once the loop has
// ended.
type callers struct {
	// over ends, with the reason, when no call may begin or go on.
	over context.Context
	end  context.CancelCauseFunc

	mu      sync.Mutex // held while a call begins or over ends, so that none begins after that
	running sync.WaitGroup
}

func newCallers() *callers {
	c := new(callers)
	c.over, c.end = context.WithCancelCause(context.Background())
	return c
}

// begin admits a call. It returns a context that ends with ctx or with Stop, and a function to be called at the call's end; or
// the reason of Stop.
func (c *callers) begin(ctx context.Context) (context.Context, func(), error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over.Err() != nil {
		return nil, nil, context.Cause(c.over)
	}
	c.running.Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	forget := context.AfterFunc(c.over, func() { cancel(context.Cause(c.over)) })
	return ctx, func() { forget(); cancel(nil); c.running.Done() }, nil
}

// stop ends the contexts of the calls that are going on, and refuses others. It does not wait. The first reason counts.
func (c *callers) stop(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end(why)
}

// wait blocks until the calls that were going on at the time of stop have ended. A call ends when the engine has finished the
// request that it was working on.
func (c *callers) wait() { c.running.Wait() }

// called makes a call from outside, which is named by what in its error if a stop ended it.
func called[T any](ctx context.Context, s *Supervisor, what string, f func(ctx context.Context) (T, error)) (T, error) {
	var none T
	inner, done, err := s.callers.begin(ctx)
	if err != nil {
		return none, fmt.Errorf("cannot %s: %w", what, err)
	}
	defer done()
	v, err := f(inner)
	if over := context.Cause(s.callers.over); err != nil && ctx.Err() == nil && over != nil {
		return none, fmt.Errorf("cannot %s: %w", what, over)
	}
	return v, err
}
