package supervisor

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/switchplan"
)

// errStopping is why a switch ends when the stack is stopped.
var errStopping = errors.New("the stack is being stopped")

// carryOut does a switch to its end, whatever that is.
func (r *switcher) carryOut(ctx context.Context, job switchJob) {
	in := job.intent
	if in == nil {
		var err error
		if in, err = r.prepare(ctx, job); err != nil {
			r.end(ctx, in, state.SwitchRefused, fmt.Errorf("%w; nothing was changed", err))
			return
		}
	}
	if !in.Back {
		err := r.reach(ctx, in)
		if err == nil || ctx.Err() != nil || errors.Is(err, errStopping) {
			r.end(ctx, in, state.SwitchDone, err)
			return
		}
		in.Back, in.Reason = true, err.Error()
		r.tell(func(t *state.Switch) { t.Phase, t.Waiting, t.Error = state.SwitchRollingBack, "", in.Reason })
		r.event("Warning", "RollingBack", "the switch from %s to %s failed: %s", in.From.Profile, in.To.Profile, in.Reason)
		if err := r.save(in); err != nil {
			r.s.log.Warn("cannot remember that the switch is rolled back", "error", err)
		}
	}
	err := r.take(ctx, in)
	if err == nil {
		err = r.awaitRight(ctx, in.wanted(), in.Limit)
	}
	if err == nil {
		r.end(ctx, in, state.SwitchRolledBack, errors.New(in.Reason))
		return
	}
	r.end(ctx, in, state.SwitchFailed, fmt.Errorf("%s; and rolling back to %s: %w; the supervisor goes on trying", in.Reason, in.From.Profile, err))
}

// prepare does what can fail before a pod is touched, moves the roles, and remembers the switch.
func (r *switcher) prepare(ctx context.Context, job switchJob) (*intent, error) {
	s := r.s
	to, err := s.prepareStack(ctx, job.stack, job.opts)
	if err != nil {
		return nil, err
	}
	from, err := ask(ctx, s, func() (*services.Stack, error) { return s.world.withoutRestarts(), nil })
	if err != nil {
		return nil, err
	}
	in := &intent{From: from, To: to, Started: time.Now(), Limit: job.limit}
	r.tell(func(t *state.Switch) { t.Phase = state.SwitchMovingRoles })
	if err := r.bringHome(ctx, to, in.Limit); err != nil {
		return in, err
	}
	return in, r.save(in)
}

// reach makes the new stack the wanted one and waits until it is right.
func (r *switcher) reach(ctx context.Context, in *intent) error {
	r.tell(func(t *state.Switch) { t.Phase = state.SwitchGoing })
	if err := r.take(ctx, in); err != nil {
		return err
	}
	return r.awaitRight(ctx, in.wanted(), in.Limit)
}

// take makes the intent's stack the wanted one, unless it is already.
func (r *switcher) take(ctx context.Context, in *intent) error {
	stack := in.wanted()
	r.s.saving.Lock()
	defer r.s.saving.Unlock()
	if err := r.s.remember(stack); err != nil {
		return err
	}
	return r.s.ask(ctx, func() {
		if r.s.world.stack == nil || r.s.world.stack.Profile != stack.Profile {
			r.s.take(stack.DeepCopy())
		}
	})
}

// bringHome moves roles off the pods that will leave, while everything that could help is still there. It is tried again
// until limit: a slave may still be catching up.
func (r *switcher) bringHome(ctx context.Context, to *services.Stack, limit time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not within %s", limit))
	defer cancel()
	for {
		pods, err := ask(ctx, r.s, func() ([]*corev1.Pod, error) { return sorted(r.s.world.pods), nil })
		if err != nil {
			return err
		}
		moved, err := r.s.ops.bringHome(ctx, switchplan.Stays(to, pods))
		if len(moved) > 0 {
			r.tell(func(t *state.Switch) { t.Moved = append(t.Moved, moved...) })
		}
		if err == nil {
			return nil
		}
		r.tell(func(t *state.Switch) { t.Waiting = err.Error() })
		select {
		case <-ctx.Done():
			return fmt.Errorf("cannot move the masters to pods that stay: %w (%w)", err, context.Cause(ctx))
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// awaitRight waits until a stack is right and nothing else runs. It gives up after limit, or when a pod will not get there
// by itself.
func (r *switcher) awaitRight(ctx context.Context, stack *services.Stack, limit time.Duration) error {
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		t, err := ask(ctx, r.s, func() (arrival, error) { return r.s.arrival(stack.Profile), nil })
		switch {
		case err != nil:
			return err
		case t.stopping:
			return errStopping
		case t.there:
			return nil
		case t.never != "":
			return errors.New(t.never)
		case time.Now().After(deadline):
			return fmt.Errorf("%s is not ready after %s: %s", switchplan.ProfileText(stack), limit, t.waiting)
		}
		if r.latest().Waiting != t.waiting {
			r.tell(func(n *state.Switch) { n.Waiting = t.waiting })
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// end publishes how it ended. While only the supervisor ends, the intent stays for the next one.
func (r *switcher) end(ctx context.Context, in *intent, phase state.SwitchPhase, err error) {
	if ctx.Err() != nil && phase != state.SwitchRefused {
		return
	}
	r.forget()
	if phase == state.SwitchDone && err != nil {
		phase = state.SwitchFailed
	}
	r.tell(func(t *state.Switch) {
		t.Phase, t.Waiting, t.Ended, t.Error = phase, "", time.Now(), ""
		if err != nil {
			t.Error = err.Error()
		}
	})
	t := r.latest()
	if err != nil {
		r.event("Warning", "Switch", "from %s to %s: %s: %s", t.From, t.To, phase, t.Error)
		return
	}
	r.event("Normal", "Switched", "from %s to %s in %s", t.From, t.To, t.Ended.Sub(t.Started).Round(100*time.Millisecond))
}

func (r *switcher) event(typ, reason, format string, args ...any) {
	r.s.event("Stack", r.s.cfg.Instance.Name, typ, reason, format, args...)
}
