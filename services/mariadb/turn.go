package mariadb

import (
	"context"
	"fmt"
	"time"

	"github.com/lyandev/lyandev/services"
)

// tryTurn takes the right to act; while a role change has it, it says what that is.
func (o *Operator) tryTurn() (release func(), busy string) {
	o.turn.Do(func() { o.token = make(chan struct{}, 1) })
	select {
	case o.token <- struct{}{}:
		return func() { <-o.token }, ""
	default:
		o.mu.Lock()
		defer o.mu.Unlock()
		return nil, orElse(o.memory.busy, "another look is under way")
	}
}

// waitTurn waits for the right to act and says meanwhile, and while it is held, what for.
func (o *Operator) waitTurn(ctx context.Context, busy string) (release func(), err error) {
	o.turn.Do(func() { o.token = make(chan struct{}, 1) })
	select {
	case o.token <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("cannot begin %s: %w", busy, context.Cause(ctx))
	}
	o.mu.Lock()
	o.memory.busy = busy
	o.mu.Unlock()
	return func() {
		o.mu.Lock()
		o.memory.busy = ""
		o.mu.Unlock()
		<-o.token
	}, nil
}

// busyVerdict is the last one, with what is going on.
func (o *Operator) busyVerdict(busy string) services.Verdict {
	o.mu.Lock()
	defer o.mu.Unlock()
	v := o.memory.last
	v.Message = busy
	v.Again = 300 * time.Millisecond
	return v
}

// Close cancels seedings and waits for them.
func (o *Operator) Close() error {
	o.mu.Lock()
	o.memory.closed = true
	for _, m := range o.memory.servers {
		if m.cancel != nil {
			m.cancel()
		}
	}
	o.mu.Unlock()
	o.jobs.Wait()
	return nil
}
