// Package supervisor is the loop that everything hangs on: the wanted stack and what is observed go in, actions come
// out, and one goroutine owns the state in between.
//
//	file -> Stack -> wanted pods -> actions -> Docker -> observations -> state -> endpoints, UI
//
// The parts, in the order of that line: build makes images, order says who may start, controller turns workloads into
// pods, pod runs each of them, probe looks at them, network and agent give them names and addresses, state tells the
// world. This package wires them and decides nothing that they could decide.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/build"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/innerloop"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/operators"
	"github.com/lyandev/lyandev/supervisor/podnet"
	"github.com/lyandev/lyandev/supervisor/selfimage"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/switcher"
	"github.com/lyandev/lyandev/supervisor/workers"
)

// Config is what a supervisor works with. All but Ports must be set.
type Config struct {
	Instance *instance.Instance
	Engine   engine.Engine
	Builder  *build.Builder
	// Operator makes the operator of a name (services/catalogue.New).
	Operator func(name string) (services.Operator, error)
	// Version is the binary's; Binary is the path of the static binary that agents and sandboxes are made from.
	Version string
	Binary  string
	Log     *slog.Logger
}

// Supervisor looks after one instance. Its methods may be called by many; each says whether it waits.
type Supervisor struct {
	cfg     Config
	log     *slog.Logger
	store   *state.Store
	events  *state.Events
	secrets secrets

	inbox  chan func()
	done   chan struct{} // closed when the loop has ended, or Run has failed before it began
	image  *selfimage.Image
	podnet *podnet.Network
	pods   *workers.Workers
	ops    *operators.Runner
	inner  *innerloop.Loop
	// switcher carries out changes of profiles.
	switcher *switcher.Switcher

	// background counts what nobody waits for but Run, at its end, when it has cancelled life.
	background sync.WaitGroup
	life       context.Context
	endLife    context.CancelFunc
	// applying serialises Apply calls; stopOnce and stopped end Run.
	applying sync.Mutex
	// saving is held while a stack is saved and then made the wanted one, so that the two cannot differ for long.
	saving sync.Mutex

	// The rest belongs to the loop.
	world *world
	timer *time.Timer
	stop  *stopRequest
	// applied counts the stacks that Apply has made the wanted one.
	applied uint64
	builds  []state.Build
	// noted is what note wrote last.
	noted string
	// warnings are those of the engine that have been told.
	warnings sync.Map
	// engineTrouble is what is wrong with the engine, "" while it answers.
	engineTrouble string
	// ended is true once the stack has been stopped to the end.
	ended bool
}

const workloadLabel = services.WorkloadLabel

// stopRequest is a wish to end the stack.
type stopRequest struct {
	// hurry kills instead of asking.
	hurry bool
}

// New makes a supervisor that is not running yet.
func New(cfg Config) *Supervisor {
	first := &state.Snapshot{
		Project: cfg.Instance.Name, Dir: cfg.Instance.Dir, Version: cfg.Version, PID: os.Getpid(),
		Phase: state.Starting, Time: time.Now(),
	}
	s := &Supervisor{
		cfg: cfg, log: cfg.Log, store: state.NewStore(first), events: state.NewEvents(),
		inbox: make(chan func(), 256), done: make(chan struct{}), world: newWorld(cfg.Instance.Name),
	}
	s.life, s.endLife = context.WithCancel(context.Background())
	s.image = selfimage.New(cfg.Engine, cfg.Binary)
	s.podnet = s.newNetwork()
	s.pods = newWorkers(s)
	s.ops = newOperators(s)
	s.inner = newInnerLoop(s)
	s.switcher = newSwitcher(s)
	first.Switch = s.switcher.Saved().Status() // so that nobody thinks there is none before it is taken over
	return s
}

// Store is where snapshots are published.
func (s *Supervisor) Store() *state.Store { return s.store }

// Events is the event log.
func (s *Supervisor) Events() *state.Events { return s.events }

// Run adopts what runs and supervises until the stack has been stopped (nil), ctx ends (nil; containers go on and are
// adopted by the next supervisor), or nothing can be done without the engine (an error).
func (s *Supervisor) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	exchange := s.adoptExchange()
	if err := s.adopt(ctx); err != nil {
		close(s.done)
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.podnet.Run(ctx) })
	g.Go(func() error { return s.pods.Run(ctx) })
	g.Go(func() error { return s.inner.Run(ctx) })
	g.Go(func() error { return s.switcher.Run(ctx) })
	g.Go(func() error { return s.finishExchange(ctx, exchange) })
	g.Go(func() error { return s.undoFaults(ctx) })
	g.Go(func() error {
		defer cancel(errEnded)
		return s.loop(ctx)
	})
	err := g.Wait()
	s.endLife()
	s.pods.Wait()
	s.background.Wait()
	s.ops.Wait()
	s.image.Close()
	if errors.Is(err, errEnded) || errors.Is(err, context.Canceled) {
		return s.cleanUp()
	}
	return err
}

// cleanUp takes away the agent and the network when the stack has been stopped, and leaves them when only the supervisor
// ends. It gives itself 20 s.
func (s *Supervisor) cleanUp() error {
	if !s.ended {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	err := errors.Join(s.podnet.Remove(ctx), s.forget())
	s.inner.RemoveVolumes(ctx)
	return err
}

// errEnded is the cause by which the loop ends its helpers.
var errEnded = errors.New("the supervisor has ended")

// loop is the one goroutine that owns the world. It closes done at its end: what workers and helpers post while they end is
// dropped, so that it cannot fill the inbox and block them.
func (s *Supervisor) loop(ctx context.Context) error {
	defer close(s.done)
	s.timer = time.NewTimer(0)
	defer s.timer.Stop()
	s.drain() // a wish to stop that came before Run must be known before the first look
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case f := <-s.inbox:
			f()
			s.drain()
		case <-s.timer.C:
		}
		if s.step(ctx) {
			s.ended = true
			return errEnded
		}
	}
}

// drain takes what else is waiting, so that a burst of events makes one look.
func (s *Supervisor) drain() {
	for {
		select {
		case f := <-s.inbox:
			f()
		default:
			return
		}
	}
}

// post hands f to the loop. It waits only while the inbox is full; after the loop's end it does nothing.
func (s *Supervisor) post(f func()) {
	select {
	case s.inbox <- f:
	case <-s.done:
	}
}

// ask runs f in the loop, waits for it, and returns what f returns. It returns an error without waiting further when ctx or the
// loop ends; f may run later then. So f must not write variables of its caller: what it finds it returns.
func ask[T any](ctx context.Context, s *Supervisor, f func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	s.post(func() {
		v, err := f()
		answers <- answer{v, err}
	})
	var none T
	select {
	case a := <-answers:
		return a.value, a.err
	case <-ctx.Done():
		return none, context.Cause(ctx)
	case <-s.done:
		return none, errors.New("cannot reach the supervisor: it has ended")
	}
}

// ask runs f in the loop and waits for it, as the function ask does for an f that finds nothing out.
func (s *Supervisor) ask(ctx context.Context, f func()) error {
	_, err := ask(ctx, s, func() (struct{}, error) { f(); return struct{}{}, nil })
	return err
}

// Stop ends the stack in reverse order, each pod with its grace period, and then Run. A second call hurries. It does not
// wait: Run's end says that it is done. Volumes stay.
func (s *Supervisor) Stop() {
	s.post(func() {
		if s.stop != nil {
			s.stop.hurry = true
			s.pods.Hurry()
			return
		}
		s.stop = &stopRequest{}
	})
}

// RestartWorkload rolls the pods of a workload as `kubectl rollout restart` does: by its update strategy, each new pod
// ready before the next goes. A bare pod is replaced. It returns when the restart has begun.
func (s *Supervisor) RestartWorkload(ctx context.Context, name string) error {
	_, err := ask(ctx, s, func() (struct{}, error) { return struct{}{}, s.world.restart(name, time.Now()) })
	return err
}

// event records an event on a pod or workload.
func (s *Supervisor) event(kind, name, typ, reason, format string, args ...any) {
	s.events.Add(time.Now(), kind, name, typ, reason, s.secrets.mask(fmt.Sprintf(format, args...)))
}
