package supervisor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/order"
	"github.com/lyandev/lyandev/supervisor/state"
)

// suspendHold is the hold of a suspended workload, nil if it is not suspended.
func (w *world) suspendHold(name string) *state.Hold {
	if why, ok := w.suspended[name]; ok {
		return &state.Hold{Kind: "snapshot", For: name, Reason: why}
	}
	return nil
}

// holdSuspended keeps a workload without pods. It reports whether it had been released.
func (w *world) holdSuspended(x *services.Workload, h state.Hold, now time.Time) bool {
	w.hold(x.Name(), h, now)
	_, was := w.released[x.Name()]
	delete(w.released, x.Name())
	return was
}

// suspend ends the pods of workloads, dependents first, and keeps them away until resume. It returns when the last pod has
// gone.
func (s *Supervisor) suspend(ctx context.Context, names []string, why string) error {
	for {
		left, err := ask(ctx, s, func() (int, error) { return s.world.suspendMore(names, why), nil })
		if err != nil || left == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("cannot stop %v: %w", names, context.Cause(ctx))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// suspendMore suspends those of the workloads of which no dependent among them has pods left, and counts the pods that are.
func (w *world) suspendMore(names []string, why string) (left int) {
	if w.stack == nil {
		return 0
	}
	part := &services.Stack{}
	facts := map[string]order.Facts{}
	for _, x := range w.stack.Workloads {
		if slices.Contains(names, x.Name()) {
			part.Workloads = append(part.Workloads, x)
			n := len(w.podsOf(x.Name()))
			facts[x.Name()] = order.Facts{Pods: n}
			left += n
		}
	}
	for name := range order.MayStop(part, facts) {
		w.suspended[name] = why
	}
	return left
}

// resume lets workloads start again.
func (s *Supervisor) resume(ctx context.Context, names []string) error {
	return s.ask(ctx, func() {
		for _, n := range names {
			delete(s.world.suspended, n)
		}
	})
}
