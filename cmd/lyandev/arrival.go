package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lyandev/lyandev/supervisor/state"
)

// errNotThere says that a stack did not get as far as was asked for, in time or ever.
var errNotThere = errors.New("it is not there yet")

// notThere is an errNotThere with the reason as its text.
type notThere struct{ why string }

func (e notThere) Error() string { return e.why }

func (e notThere) Is(target error) bool { return target == errNotThere }

// applyError is why a stack was not taken over.
type applyError struct{ err error }

func (e *applyError) Error() string { return e.err.Error() }

func (e *applyError) Unwrap() error { return e.err }

// arrivalWatch hands a stack over and waits until it has arrived: it is started or, with wait, ready. It judges only
// snapshots that reflect the apply (Snapshot.Applied), and the latest of them also if it came before the apply's answer:
// a stack in which nothing changes publishes no other one for up to 30 s.
type arrivalWatch struct {
	wait bool
	// limit is how long the stack may take once it has been taken over.
	limit time.Duration
	// show is called with every snapshot, in order.
	show func(*state.Snapshot)
	// apply blocks until the stack has been taken over and returns the apply's number.
	apply func() (uint64, error)
	// snapshots calls f with the latest snapshot and every newer one until f says false or the run's context ends.
	snapshots func(f func(*state.Snapshot) bool) error
	// stays says whether a stack that is ready still is a moment later.
	stays func(*state.Snapshot) bool
}

// run returns nil when the stack has arrived, an applyError when it was not taken over, errNotThere when it did not arrive
// in time or never will by itself, and otherwise what ended the snapshots. ctx must end after it, which ends its goroutines.
func (w *arrivalWatch) run(ctx context.Context) error {
	type answer struct {
		applied uint64
		err     error
	}
	answers, snapshots, ended := make(chan answer, 1), make(chan *state.Snapshot), make(chan error, 1)
	go func() {
		applied, err := w.apply()
		answers <- answer{applied, err}
	}()
	go func() {
		ended <- w.snapshots(func(s *state.Snapshot) bool {
			select {
			case snapshots <- s:
				return true
			case <-ctx.Done():
				return false
			}
		})
	}()
	var latest *state.Snapshot
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
			ended <- err // the apply's own answer says more
			watching = nil
			continue
		case <-over:
			return notThere{fmt.Sprintf("cannot wait longer than %s", w.limit)}
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

// judge says whether a stack that has been taken over has arrived, with an error that it never will.
func (w *arrivalWatch) judge(s *state.Snapshot) (there bool, err error) {
	switch {
	case s.Phase == state.Ready && w.wait:
		return w.stays(s), nil
	case s.Phase == state.Ready, !w.wait && started(s):
		return true, nil
	}
	if why := hopeless(s); why != "" && w.wait {
		return false, notThere{why}
	}
	return false, nil
}
