package probe

import "context"

// Limiter bounds how many exec probes run at a time, over all pods. An exec costs the engine several calls and the
// machine a process, so a laptop that starts thirty pods at once would otherwise spend its start on probes. Waiting for
// a place is not part of a probe's timeout: it can delay a probe, and never fails one.
type Limiter struct{ places chan struct{} }

// NewLimiter makes a limiter of n places, at least one.
func NewLimiter(n int) *Limiter { return &Limiter{places: make(chan struct{}, max(n, 1))} }

// acquire waits for a place; a nil Limiter has room for all. It fails only with ctx.
func (l *Limiter) acquire(ctx context.Context) error {
	if l == nil {
		return ctx.Err()
	}
	select {
	case l.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *Limiter) release() {
	if l != nil {
		<-l.places
	}
}
