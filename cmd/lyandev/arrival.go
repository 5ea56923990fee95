package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lyandev/lyandev/supervisor/state"
)

// errNotThere matches every error of a stack that did not start or become ready within the limit, or that cannot.
var errNotThere = errors.New("the stack is not ready")

// notThere matches errNotThere; its text is the reason.
type notThere struct{ why string }

func (e notThere) Error() string { return e.why }

func (e notThere) Is(target error) bool { return target == errNotThere }

// applyError is the error with which the supervisor rejected a stack.
type applyError struct{ err error }

func (e *applyError) Error() string { return e.err.Error() }

func (e *applyError) Unwrap() error { return e.err }

// arrivalWatch applies a stack and waits until it has started or, with wait, is ready. It evaluates only snapshots that
// include the apply (Snapshot.Applied >= the apply's number). The latest snapshot counts even if it was received before
// Apply returned: when nothing changes, the supervisor publishes no further one for up to 30 s.
type arrivalWatch struct {
	wait bool
	// limit is the time the stack may take, counted from the end of the apply.
	limit time.Duration
	// show is called with every snapshot, in order.
	show func(*state.Status)
	// apply blocks until the supervisor has accepted the stack and returns the apply's number.
	apply func() (uint64, error)
	// snapshots calls f with the latest snapshot and every newer one until f returns false or the run's context ends.
	snapshots func(f func(*state.Status) bool) error
	// stays reports whether a ready stack is still ready a moment later.
	stays func(*state.Status) bool
	// unfinished reports whether a ready stack has one-shots whose success is waited for. nil waits for none.
	unfinished func(*state.Status) bool
}

// run blocks until the stack has started or is ready and then returns nil. It returns an applyError when the supervisor
// rejected the stack, an error matching errNotThere when the limit has passed or the stack cannot become ready without
// intervention, and otherwise the error of snapshots. The caller must cancel ctx afterwards to end run's goroutines.
func (w *arrivalWatch) run(ctx context.Context) error {
	type answer struct {
		applied uint64
		err     error
	}
	answers, snapshots, ended := make(chan answer, 1), make(chan *state.Status), make(chan error, 1)
	go func() {
		applied, err := w.apply()
		answers <- answer{applied, err}
	}()
	go func() {
		ended <- w.snapshots(func(s *state.Status) bool {
			select {
			case snapshots <- s:
				return true
			case <-ctx.Done():
				return false
			}
		})
	}()
	var latest *state.Status
	var taken *answer
	var over <-chan time.Time
	watching := ended
	for {
		select {
		case a := <-answers:
			if a.err != nil {
				return &applyError{a.err}
			}
			taken, over = &a, time.After(w.limit)
		case s := <-snapshots:
			latest = s
			w.show(s)
		case err := <-watching:
			if taken != nil || ctx.Err() != nil {
				return err
			}
			ended <- err // wait for the apply's error, which is more specific
			watching = nil
			continue
		case <-over:
			return notThere{fmt.Sprintf("timed out after %s", w.limit)}
		}
		if taken == nil {
			continue
		}
		watching = ended
		if latest == nil || latest.Applied < taken.applied {
			continue
		}
		if there, err := w.judge(latest); there || err != nil {
			return err
		}
	}
}

// judge reports whether an accepted stack has started or is ready. The error says why it cannot become ready.
func (w *arrivalWatch) judge(s *state.Status) (there bool, err error) {
	switch {
	case s.Phase == state.Ready && w.wait && w.unfinished != nil && w.unfinished(s):
		return false, nil
	case s.Phase == state.Ready && w.wait:
		return w.stays(s), nil
	case s.Phase == state.Ready:
		return true, nil
	}
	why := blocked(s)
	if why == "" && w.wait {
		why = hopeless(s)
	}
	if why != "" {
		return false, notThere{why}
	}
	return !w.wait && started(s), nil
}
