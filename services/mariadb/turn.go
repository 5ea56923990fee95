package mariadb

import (
	"context"
	"fmt"
	"time"

	"github.com/lyandev/lyandev/services"
)

// tryTurn takes the operator's token without blocking. If another call holds it, busy describes that call.
func (o *Operator) tryTurn() (release func(), busy string) {
	o.turn.Do(func() { o.token = make(chan struct{}, 1) })
	select {
	case o.token <- struct{}{}:
		return func() { <-o.token }, ""
	default:
		o.mu.Lock()
		defer o.mu.Unlock()
		return nil, orElse(o.memory.busy, "another reconciliation is in progress")
	}
}

// waitTurn blocks until it has the operator's token and records busy as its purpose until release.
func (o *Operator) waitTurn(ctx context.Context, busy string) (release func(), err error) {
	o.turn.Do(func() { o.token = make(chan struct{}, 1) })
	select {
	case o.token <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("cannot start %s: %w", busy, context.Cause(ctx))
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

// busyVerdict returns the last verdict with busy as its message.
func (o *Operator) busyVerdict(busy string) services.Verdict {
	o.mu.Lock()
	defer o.mu.Unlock()
	v := o.memory.last
	v.Message = busy
	v.Again = 300 * time.Millisecond
	return v
}

// Close cancels all seedings and blocks until they have ended.
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
