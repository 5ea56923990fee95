package probe

import "context"

// Limiter bounds the concurrent exec probes of all pods. An exec takes several engine calls and a process, so that starting
// thirty pods at once would otherwise keep a laptop busy with probes. Waiting for the limiter does not count towards a probe's
// timeout: it can delay a probe but never fails it.
type Limiter struct{ places chan struct{} }

// NewLimiter returns a Limiter for n concurrent probes, at least one.
func NewLimiter(n int) *Limiter { return &Limiter{places: make(chan struct{}, max(n, 1))} }

// acquire blocks until a probe may run or ctx ends. A nil Limiter never blocks.
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
