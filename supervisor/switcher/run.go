package switcher

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/switchplan"
)

const (
	// handoverRetry is the time between two tries to move roles: a slave may still be catching up.
	handoverRetry = 500 * time.Millisecond
	// progressInterval is the time between two looks at how far the stack has come.
	progressInterval = 200 * time.Millisecond
)

// errStopping is why a switch ends when the stack is stopped.
var errStopping = errors.New("the stack is being stopped")

// carryOut does a switch to its end, whatever that is.
func (s *Switcher) carryOut(ctx context.Context, j job) {
	p := j.pending
	if p == nil {
		var err error
		if p, err = s.prepare(ctx, j.request); err != nil {
			s.end(ctx, state.SwitchRefused, fmt.Errorf("%w; nothing was changed", err))
			return
		}
	}
	if !p.Back {
		s.update(func(t *state.Switch) { t.Phase = state.SwitchGoing })
		err := s.reach(ctx, p)
		if err == nil {
			s.end(ctx, state.SwitchDone, nil)
			return
		}
		if ctx.Err() != nil || errors.Is(err, errStopping) {
			s.end(ctx, state.SwitchFailed, err)
			return
		}
		s.turnBack(p, err)
	}
	if err := s.reach(ctx, p); err != nil {
		s.end(ctx, state.SwitchFailed, fmt.Errorf("%s; and rolling back to %s: %w; the supervisor goes on trying", p.Reason, state.ShownProfile(p.From.Profile), err))
		return
	}
	s.end(ctx, state.SwitchRolledBack, errors.New(p.Reason))
}

// prepare does what can fail before a pod is touched, moves the roles, and saves the switch.
func (s *Switcher) prepare(ctx context.Context, r Request) (*Pending, error) {
	from, to, err := r.Prepare(ctx)
	if err != nil {
		return nil, err
	}
	s.update(func(t *state.Switch) { t.Phase = state.SwitchMovingRoles })
	if err := s.handover(ctx, to, r.Limit); err != nil {
		return nil, err
	}
	p := &Pending{From: from, To: to, Started: time.Now(), Limit: r.Limit}
	return p, s.save(p)
}

// handover moves roles off the pods that will leave, while everything that could help is still there. It tries again until limit.
func (s *Switcher) handover(ctx context.Context, to *services.Stack, limit time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not within %s", limit))
	defer cancel()
	for {
		moved, err := s.cfg.Stack.Handover(ctx, to)
		if len(moved) > 0 {
			s.update(func(t *state.Switch) { t.Moved = append(t.Moved[:len(t.Moved):len(t.Moved)], moved...) })
		}
		if err == nil {
			return nil
		}
		s.update(func(t *state.Switch) { t.Waiting = err.Error() })
		select {
		case <-ctx.Done():
			return fmt.Errorf("cannot move the masters to pods that stay: %w (%w)", err, context.Cause(ctx))
		case <-time.After(handoverRetry):
		}
	}
}

// turnBack makes the former stack the wanted one of a switch that failed.
func (s *Switcher) turnBack(p *Pending, err error) {
	p.Back, p.Reason = true, err.Error()
	s.update(func(t *state.Switch) { t.Phase, t.Waiting, t.Error = state.SwitchRollingBack, "", p.Reason })
	s.cfg.Event("Warning", "RollingBack", fmt.Sprintf("the switch %s failed: %s", state.FromTo(p.From.Profile, p.To.Profile), p.Reason))
	if err := s.save(p); err != nil {
		s.cfg.Log.Warn("cannot save that the switch is rolled back; the next supervisor would try it again", "error", err)
	}
}

// reach makes the wanted stack of a switch the one of the loop and waits until it is ready and nothing else runs. It gives up
// after the limit, or when a pod will not get ready by itself.
func (s *Switcher) reach(ctx context.Context, p *Pending) error {
	stack := p.Wanted()
	if err := s.cfg.Stack.Take(ctx, stack); err != nil {
		return err
	}
	deadline := time.Now().Add(p.Limit)
	tick := time.NewTicker(progressInterval)
	defer tick.Stop()
	for {
		now, err := s.cfg.Stack.Progress(ctx, stack.Profile)
		switch {
		case err != nil:
			return err
		case now.Stopping:
			return errStopping
		case now.Done:
			return nil
		case now.Never != "":
			return errors.New(now.Never)
		case time.Now().After(deadline):
			return fmt.Errorf("%s is not ready after %s: %s", switchplan.ProfileText(stack), p.Limit, now.Waiting)
		}
		if s.Latest().Waiting != now.Waiting {
			s.update(func(t *state.Switch) { t.Waiting = now.Waiting })
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// end publishes how a switch ended. When only the supervisor ends, the switch stays saved and in progress for the next one.
func (s *Switcher) end(ctx context.Context, phase state.SwitchPhase, err error) {
	if ctx.Err() != nil && phase != state.SwitchRefused {
		return
	}
	s.forget()
	s.update(func(t *state.Switch) {
		t.Phase, t.Waiting, t.Ended, t.Error = phase, "", time.Now(), ""
		if err != nil {
			t.Error = err.Error()
		}
	})
	t := s.Latest()
	if err != nil {
		s.cfg.Event("Warning", "Switch", fmt.Sprintf("%s: %s: %s", state.FromTo(t.From, t.To), phase, t.Error))
		return
	}
	s.cfg.Event("Normal", "Switched", fmt.Sprintf("%s in %s", state.FromTo(t.From, t.To), t.Ended.Sub(t.Started).Round(100*time.Millisecond)))
}
