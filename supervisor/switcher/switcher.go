// Package switcher changes the running stack from one profile to another, one switch at a time, and rolls back a switch that
// does not get ready in time.
package switcher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/state"
)

// DefaultLimit is how long the pods of a new profile may take to become ready before the switch is rolled back.
const DefaultLimit = 3 * time.Minute

// ErrSwitching says that another switch is in progress.
var ErrSwitching = errors.New("a switch of profiles is going on")

// Stack is the running stack as a switch sees it. All methods may block until ctx ends; they are called by Run.
type Stack interface {
	// Take saves a prepared stack for the next supervisor and makes it the wanted one. It does nothing if a stack of this
	// profile is wanted already.
	Take(ctx context.Context, stack *services.Stack) error
	// Progress is how far the stack of a profile has come.
	Progress(ctx context.Context, profile string) (Progress, error)
	// Handover moves the roles of pods that are not in a stack to pods that are, and returns the pods that got one. An error
	// means that this is not possible, or not yet.
	Handover(ctx context.Context, to *services.Stack) (moved []string, err error)
}

// Progress is how far the stack of a profile has come, at one moment. At most one of Stopping, Done and Never is set.
type Progress struct {
	// Done: everything wanted is ready, and nothing else is left.
	Done bool
	// Waiting says what is missing, in one line; "" if Done.
	Waiting string
	// Never says why the stack will not get ready without somebody doing something; "" if it still may.
	Never string
	// Stopping: the stack is being stopped.
	Stopping bool
}

// Config is what a Switcher works with. All fields must be set.
type Config struct {
	Stack Stack
	// File is the path of the file that keeps a switch in progress for the next supervisor of the instance.
	File string
	// Changed is called after Latest has changed. It must not wait for a switch.
	Changed func()
	// Event records an event on the stack.
	Event func(typ, reason, message string)
	// Done is closed when the supervisor has ended.
	Done <-chan struct{}
	Log  *slog.Logger
}

// Request is a switch to begin.
type Request struct {
	// From and To are the names of the profiles.
	From, To string
	// Limit is how long the roles may take to move and, after that, the new stack to become ready; 0 is DefaultLimit. A
	// rollback has the same time again.
	Limit time.Duration
	// Prepare does everything that can fail before a pod is touched, and returns the stack that is wanted now and the one to
	// switch to, prepared. An error refuses the switch.
	Prepare func(ctx context.Context) (from, to *services.Stack, err error)
}

// Switcher carries out one switch at a time. Its methods may be called concurrently.
type Switcher struct {
	cfg  Config
	jobs chan job
	// adopted is closed when it is known whether a former supervisor left a switch in progress.
	adopted chan struct{}

	mu     sync.Mutex
	latest *state.Switch // replaced, never changed
	idle   chan struct{} // closed while no switch is in progress
}

// job is a switch to begin or, with pending, one to continue.
type job struct {
	request Request
	pending *Pending
}

// New returns a Switcher. It does nothing until Resume or Discard, and Run, are called.
func New(cfg Config) *Switcher {
	idle := make(chan struct{})
	close(idle)
	return &Switcher{cfg: cfg, jobs: make(chan job, 1), adopted: make(chan struct{}), idle: idle}
}

// Begin starts a switch and returns at once; Latest tells how it goes. It returns ErrSwitching if one is in progress.
func (s *Switcher) Begin(r Request) error {
	if r.Limit <= 0 {
		r.Limit = DefaultLimit
	}
	if !s.reserve(&state.Switch{From: r.From, To: r.To, Phase: state.SwitchPreparing, Started: time.Now()}) {
		return ErrSwitching
	}
	s.jobs <- job{request: r}
	return nil
}

// reserve publishes the first status of a switch; false if another one is in progress.
func (s *Switcher) reserve(first *state.Switch) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.latest.Over() {
		return false
	}
	s.latest, s.idle = first, make(chan struct{})
	return true
}

// Latest is the switch in progress or, if there is none, the last one; nil before the first. The caller must not change it.
func (s *Switcher) Latest() *state.Switch {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.latest
}

// Await blocks until no switch is in progress, one that a former supervisor began included. It returns an error when ctx or the
// supervisor ends first.
func (s *Switcher) Await(ctx context.Context) error {
	for _, next := range []func() <-chan struct{}{
		func() <-chan struct{} { return s.adopted },
		func() <-chan struct{} { s.mu.Lock(); defer s.mu.Unlock(); return s.idle },
	} {
		select {
		case <-next():
		case <-ctx.Done():
			return fmt.Errorf("cannot wait for the switch of profiles that is going on: %w", context.Cause(ctx))
		case <-s.cfg.Done:
			return errors.New("cannot change the stack: the supervisor has ended")
		}
	}
	return nil
}

// Resume takes over the switch that a former supervisor had begun, so that Run continues it, and returns it; nil if there is
// none. Call Resume or Discard once, before Begin.
func (s *Switcher) Resume() *Pending {
	defer close(s.adopted)
	p := s.Saved()
	if p != nil {
		s.reserve(p.Status())
		s.jobs <- job{pending: p}
	}
	return p
}

// Discard forgets the switch that a former supervisor had begun: nothing of its stack runs any more.
func (s *Switcher) Discard() {
	s.forget()
	close(s.adopted)
}

// Run carries out switches, one after the other, until ctx ends. A switch that ctx cuts off stays saved for the next supervisor.
func (s *Switcher) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case j := <-s.jobs:
			s.carryOut(ctx, j)
		}
	}
}

// update changes the published status.
func (s *Switcher) update(change func(*state.Switch)) {
	s.mu.Lock()
	next := *s.latest
	change(&next)
	ended := s.latest.Ended.IsZero() && !next.Ended.IsZero()
	s.latest = &next
	if ended {
		close(s.idle)
	}
	s.mu.Unlock()
	s.cfg.Changed()
}
