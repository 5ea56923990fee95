package simulation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/containerd/errdefs"

	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
)

// link is the engine as one supervisor reaches it: every call takes a drawn time, may fail, and is traced and checked. Two calls
// that begin at the same instant end at different ones, so that the order of what they do depends on the seed alone.
type link struct {
	*enginefake.Engine
	w   *World
	gen int
	r   *running
	// dead is closed when the supervisor is killed.
	dead chan struct{}
}

// call is one call of the engine.
type call struct {
	gen            int
	method, object string
	// changes says that the call may change something. details are for the draws: calls that differ in nothing are answered alike.
	changes bool
	details string
}

func (c call) String() string { return c.method + " " + c.object }

// do has a call take its time, and fail if it is drawn to, before it works or after.
func (l *link) do(ctx context.Context, c call, work func() error) error {
	c.gen = l.gen
	if err := l.over(ctx); err != nil {
		return err
	}
	r := l.w.draw("call", fmt.Sprint(l.gen), c.method, c.object, c.details)
	takes, lost, goesOn, failure := l.fate(r)
	timer := time.NewTimer(takes)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return l.abandon(c, takes, goesOn, context.Cause(ctx), work)
	case <-l.dead:
		return l.abandon(c, takes, goesOn, errKilled, work)
	}
	if err := l.over(ctx); err != nil {
		return err
	}
	if failure != nil && !lost {
		l.w.trace.add(false, "#%d %s: fails (%v)", l.gen, c, failure)
		return failure
	}
	err := l.perform(c, work)
	if err == nil && lost {
		l.w.trace.add(false, "#%d %s: done, the answer is lost", l.gen, c)
		return failure
	}
	return err
}

// over says why no call may be made any more.
func (l *link) over(ctx context.Context) error {
	select {
	case <-l.dead:
		return errKilled
	default:
		return ctx.Err()
	}
}

// perform does the work of a call, traces it and checks the invariants.
func (l *link) perform(c call, work func() error) error {
	l.w.observe(l.r)
	l.w.before(l.r, c)
	err := work()
	if c.changes {
		text := "done"
		if err != nil {
			text = err.Error()
		}
		l.w.trace.add(false, "#%d %s: %s", l.gen, c, text)
		l.w.after(c)
	}
	return err
}

// abandon is for calls whose caller does not wait any more: the engine does some of them all the same.
func (l *link) abandon(c call, rest time.Duration, goesOn bool, cause error, work func() error) error {
	if goesOn && c.changes {
		time.AfterFunc(rest, func() { _ = l.perform(c, work) })
	}
	return cause
}

// drawer is what fate needs of random numbers.
type drawer interface {
	Int64N(n int64) int64
	Float64() float64
	IntN(n int) int
}

var errDaemon = fmt.Errorf("Error response from daemon: something went wrong: %w", errdefs.ErrInternal)

// fate draws what becomes of a call.
func (l *link) fate(r drawer) (takes time.Duration, lost, goesOn bool, failure error) {
	l.w.mu.Lock()
	now := l.w.weather
	l.w.mu.Unlock()
	takes = 50*time.Microsecond + time.Duration(r.Int64N(int64(8*time.Millisecond)))
	if r.IntN(40) == 0 {
		takes += time.Duration(r.Int64N(int64(300 * time.Millisecond)))
	}
	if now.slow > 0 {
		takes += time.Duration(r.Int64N(int64(now.slow)))
	}
	if r.Float64() < now.errors {
		failure = []error{errDaemon, engine.ErrNoAnswer, fmt.Errorf("unexpected EOF: %w", errdefs.ErrUnavailable)}[r.IntN(3)]
		lost = r.IntN(3) == 0
	}
	return takes, lost, r.IntN(3) == 0, failure
}

var errNobody = errors.New("connection refused")
