// Package supervisor runs the control loop of one stack. One goroutine owns the desired and the observed state: messages go in,
// actions come out.
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
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/build"
	"github.com/lyandev/lyandev/supervisor/cluster"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/images"
	"github.com/lyandev/lyandev/supervisor/innerloop"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/operators"
	"github.com/lyandev/lyandev/supervisor/podnet"
	"github.com/lyandev/lyandev/supervisor/resources"
	"github.com/lyandev/lyandev/supervisor/restore"
	"github.com/lyandev/lyandev/supervisor/selfimage"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/switcher"
	"github.com/lyandev/lyandev/supervisor/timeline"
	"github.com/lyandev/lyandev/supervisor/workers"
)

// Config is what a supervisor works with. All but Simulation must be set.
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
	// Datapath is agent.DatapathUserland to make the agent forward connections itself, "" for the kernel where it can.
	Datapath string
	// Simulation makes the run repeatable; nil outside of package simulation.
	Simulation *Simulation
}

// Supervisor looks after one instance. Its methods may be called by many; each says whether it waits.
type Supervisor struct {
	cfg     Config
	log     *slog.Logger
	store   *state.Store
	events  *state.Events
	secrets secrets

	inbox  chan message
	done   chan struct{} // closed when the loop has ended, or Run has failed before it began
	image  *selfimage.Image
	images *images.Maker
	podnet *podnet.Network
	// resources makes the networks and volumes of plain services.
	resources *resources.Maker
	pods      *workers.Workers
	ops       *operators.Runner
	inner     *innerloop.Loop
	// switcher carries out changes of profiles.
	switcher *switcher.Switcher
	restorer *restore.Restorer

	times *timeline.Recorder

	// background counts the goroutines that only Run waits for, at its end.
	background sync.WaitGroup
	callers    *callers
	// applying serialises Apply calls.
	applying sync.Mutex
	// saving is held while a stack is saved and then made the wanted one, so that the two cannot differ for long.
	saving sync.Mutex

	// The rest belongs to the loop.
	cluster *cluster.Cluster
	timer   *time.Timer
	// received counts the messages.
	received uint64
	// stopping says that the stack is being stopped, keeping that the containers of plain services stay.
	stopping, keeping bool
	// halted are the pods whose containers were told to stop and stay.
	halted map[types.UID]bool
	// early says that Stop was called before Run.
	early atomic.Bool
	// applied counts the stacks that Apply has made the wanted one.
	applied uint64
	// stopGrace is the grace period in seconds of workloads that are stopped or removed by hand with one.
	stopGrace map[string]*int64
	pauses    probePauses
	follower  follower
	// awaited is what somebody waits for; see await.
	awaited []awaited
	// applyGrace is the grace period in seconds of the pods that the last apply stops, nil for the file's. It ends when the stack is
	// ready or is stopped.
	applyGrace *int64
	// advice is what people should know of the wanted stack.
	advice []string
	builds []state.Build
	// saved is what saveState wrote last.
	saved savedState
	// warnings are those of the engine that have been told.
	warnings sync.Map
	// engineTrouble is what is wrong with the engine, "" while it answers.
	engineTrouble string
	// ended is true once the stack has been stopped to the end.
	ended bool
}

// New makes a supervisor that is not running yet.
func New(cfg Config) *Supervisor {
	first := &state.Status{
		Project: cfg.Instance.Name, Dir: cfg.Instance.Dir, Version: cfg.Version, PID: os.Getpid(),
		Phase: state.Starting, Time: time.Now(),
	}
	times := new(timeline.Recorder)
	cfg.Engine = engine.Timed(cfg.Engine, times)
	s := &Supervisor{
		cfg: cfg, times: times, follower: follower{times: times}, log: cfg.Log, store: state.NewStore(first), events: state.NewEvents(),
		callers: newCallers(), stopGrace: map[string]*int64{}, pauses: newProbePauses(), halted: map[types.UID]bool{}, inbox: make(chan message, 256), done: make(chan struct{}), cluster: cluster.NewCluster(revisions(cfg)),
	}
	s.image = selfimage.New(cfg.Engine, cfg.Binary)
	s.images = newImages(s)
	s.podnet = s.newNetwork()
	s.resources = s.newResources()
	s.inner = newInnerLoop(s)
	s.pods = newWorkers(s)
	s.podnet.SetRejoin(s.rejoin)
	s.inner.SetPods(loopPods{s.pods, s})
	s.ops = newOperators(s)
	s.switcher = newSwitcher(s)
	s.restorer = newRestorer(s)
	first.Switch = s.switcher.Saved().Status() // so that nobody thinks there is none before it is taken over
	return s
}

// Store is where the status is published.
func (s *Supervisor) Store() *state.Store { return s.store }

// Events is the event log.
func (s *Supervisor) Events() *state.Events { return s.events }

// Run adopts what runs and supervises until the stack has been stopped (nil), ctx ends (nil; containers go on and are
// adopted by the next supervisor), or nothing can be done without the engine (an error).
func (s *Supervisor) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer s.callers.stop(errEnded)
	s.adoptRestore()
	if err := s.adopt(ctx); err != nil {
		close(s.done)
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.podnet.Run(ctx) })
	g.Go(func() error { return s.pods.Run(ctx) })
	g.Go(func() error { return s.inner.Run(ctx) })
	g.Go(func() error { return s.switcher.Run(ctx) })
	g.Go(func() error { return s.restorer.Run(ctx) })
	g.Go(func() error { return s.undoFaults(ctx) })
	g.Go(func() error {
		defer cancel(errEnded)
		return s.loop(ctx)
	})
	err := g.Wait()
	s.callers.stop(errEnded)
	s.callers.wait()
	s.pods.Wait()
	s.background.Wait()
	s.ops.Wait()
	s.image.Close()
	if errors.Is(err, errEnded) || errors.Is(err, context.Canceled) {
		return s.cleanUp()
	}
	return err
}

// cleanUp takes away the agent and the network when the stack has been stopped, the agent alone when containers were kept (Halt),
// and leaves them when only the supervisor ends. Nobody makes anything any more when it is called. It gives itself 20 s.
func (s *Supervisor) cleanUp() error {
	if !s.ended {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if len(s.cluster.Pods()) > 0 { // kept; see Halt
		return s.podnet.Rest(ctx)
	}
	s.removeOneOffs(ctx)
	err := errors.Join(s.podnet.Remove(ctx), s.resources.RemoveNetworks(ctx), s.forget())
	s.inner.RemoveVolumes(ctx)
	return err
}

// errEnded is the cause by which the loop ends its helpers.
var errEnded = errors.New("the supervisor has ended")

// loop is the one goroutine that owns the cluster. It closes done at its end: what workers and helpers post while they end is
// dropped, so that it cannot fill the inbox and block them.
func (s *Supervisor) loop(ctx context.Context) error {
	defer close(s.done)
	s.timer = time.NewTimer(0)
	defer s.timer.Stop()
	if s.cfg.Simulation == nil {
		select {
		case m := <-s.inbox: // a request to stop that came before Run must be known before the first step
			s.receive(m)
		default:
		}
	}
	for {
		var m message
		select {
		case <-ctx.Done():
		case m = <-s.inbox:
		case <-s.timer.C:
		}
		switch {
		case ctx.Err() != nil:
		case s.cfg.Simulation != nil:
			s.receiveSimulated(m)
		case m != nil:
			s.receive(m)
		}
		if ctx.Err() != nil { // also if there is a message: what it asks for could not be finished
			return context.Cause(ctx)
		}
		if s.step(ctx) {
			s.ended = true
			return errEnded
		}
	}
}

// Stop ends the stack in reverse order, each pod with its grace period, and then Run. A second call hurries. It does not
// wait: Run's end says that it is done. Volumes stay.
func (s *Supervisor) Stop() {
	s.early.Store(true)
	s.post(stopRequest{})
}

// RestartWorkload is Control with the verb restart for one service: a rolling restart as of `kubectl rollout restart`, and for a
// plain service a restart of its containers in place. A Job or a one-shot runs again.
func (s *Supervisor) RestartWorkload(ctx context.Context, name string) error {
	return s.Control(ctx, Control{Verb: "restart", Services: []string{name}})
}

// event records an event on a pod or workload.
func (s *Supervisor) event(kind, name, typ, reason, format string, args ...any) {
	s.events.Add(time.Now(), kind, name, typ, reason, s.secrets.mask(fmt.Sprintf(format, args...)))
}
