package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/build"
	"github.com/lyandev/lyandev/supervisor/explain"
	"github.com/lyandev/lyandev/supervisor/images"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/network"
	"github.com/lyandev/lyandev/supervisor/order"
	"github.com/lyandev/lyandev/supervisor/pod/dockerpod"
	"github.com/lyandev/lyandev/supervisor/prepare"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/timeline"
)

// ApplyOptions are what a caller of Apply asks for.
type ApplyOptions struct {
	// PortsAuto takes the next free port where a host port is taken.
	PortsAuto bool `json:"portsAuto,omitempty"`
	// Build makes images even when nothing changed; NoBuild uses what is there.
	Build   bool `json:"build,omitempty"`
	NoBuild bool `json:"noBuild,omitempty"`
	// NoWatch leaves the files unwatched, until the next Apply.
	NoWatch bool `json:"noWatch,omitempty"`
	// Only are workloads to which, with what they depend on, the apply is limited: the others stay as they are. nil is all.
	Only []string `json:"only,omitempty"`
	// NoDeps leaves out what Only depends on.
	NoDeps bool `json:"noDeps,omitempty"`
	// Way says how what changes is changed.
	Way ApplyWay `json:"way,omitzero"`
	// Meanwhile, if set, is done while images, network and agent are made. No pod starts before it has returned, and its
	// error is Apply's.
	Meanwhile func(ctx context.Context) error `json:"-"`

	// Began is what the caller has done for it already: the first begins the `up`.
	Began []timeline.Span `json:"-"`

	// warn is told what is not as the file says; nil drops it.
	warn func(text string)
}

// ApplyWay says how an Apply changes what runs. The zero value is what the file says.
type ApplyWay struct {
	// Pull is the pull policy of all images that are not built, whatever the file says: always, missing or never.
	Pull string `json:"pull,omitempty"`
	// NoRecreate leaves workloads that run as they are, but for the number of their pods.
	NoRecreate bool `json:"noRecreate,omitempty"`
	// NewVolumes gives containers that are made anew new anonymous volumes, and deletes those of the former container.
	NewVolumes bool `json:"newVolumes,omitempty"`
	// NoStart makes the containers of plain services and starts none that does not run yet; services of Kubernetes' semantics that have
	// no pods are suspended as by stop. Apply returns when the containers are there.
	NoStart bool `json:"noStart,omitempty"`
	// Grace is the time in seconds between the stop signal and SIGKILL for the pods that the apply stops; nil is the file's.
	Grace *int64 `json:"grace,omitempty"`
}

// Applied is what an Apply has done.
type Applied struct {
	// Applied is its number: a status whose Applied is at least this reflects the stack or a later one.
	Applied uint64
	// Warnings say what is not as the file says: networks and volumes that are used as they are.
	Warnings []string
	// Again are the names of the workloads that were started again though nothing of them changed, because they had been stopped or
	// had failed.
	Again []string
}

// Apply makes a stack the wanted one. It first makes everything sure that can fail before a pod is touched: the order has
// no cycle, images are built or pulled, the network and the agent are up, host ports are free. An error changes nothing:
// what ran goes on. It returns when the stack has been taken over, not when it is ready: watch the Store for a status
// whose Applied is at least that of the answer. Stop ends it with an error; what it has made by then is removed with the stack.
func (s *Supervisor) Apply(ctx context.Context, stack *services.Stack, opts ApplyOptions) (Applied, error) {
	return called(ctx, s, "apply the stack", func(ctx context.Context) (Applied, error) { return s.apply(ctx, stack, opts) })
}

func (s *Supervisor) apply(ctx context.Context, stack *services.Stack, opts ApplyOptions) (none Applied, err error) {
	s.applying.Lock()
	defer s.applying.Unlock()
	if err := s.switcher.Await(ctx); err != nil {
		return none, err
	}
	over := s.timeUp(stack, opts.Began)
	defer func() {
		if err != nil {
			over(time.Now(), err)
		}
	}()
	running, err := s.wantedStack(ctx)
	if err != nil {
		return none, err
	}
	stack, opts.Only, err = limited(running, stack, opts.Only, !opts.NoDeps)
	if err != nil {
		return none, err
	}
	if opts.Way.NoRecreate {
		stack = prepare.NoRecreate(running, stack)
	}
	var warnings []string
	opts.warn = func(text string) { warnings = append(warnings, text) }
	prepared, err := s.prepareStack(ctx, stack, opts)
	if err != nil {
		return none, err
	}
	s.tellLeftVolumes(ctx, running, prepared, opts.warn)
	if ctx.Err() != nil {
		return none, context.Cause(ctx)
	}
	if err := s.saveStack(prepared); err != nil {
		return none, err
	}
	s.inner.WatchFiles(!opts.NoWatch)
	if opts.Way.NoStart {
		a, err := s.applyUnstarted(ctx, prepared, opts, warnings)
		over(time.Now(), err)
		return a, err
	}
	return ask(ctx, s, "apply a stack", func() (Applied, error) {
		again := s.startEnded(prepared, opts.Only)
		s.useWay(opts.Way)
		n, err := s.takeApplied(prepared)
		s.follower.await(n, over)
		return Applied{Applied: n, Warnings: warnings, Again: again}, err
	})
}

// limited makes of a loaded stack the one to apply: with only and, with deps, what they depend on taken from it and the rest from the
// running one, which may be nil; or, if only is empty, with what of the running one goes on. It returns the names of the workloads
// that are taken from the loaded stack, nil for all of the stack.
func limited(running, stack *services.Stack, only []string, deps bool) (*services.Stack, []string, error) {
	next, added := prepare.Continue(running, stack)
	if len(only) > 0 {
		return prepare.Only(running, next, only, deps)
	}
	if len(added) == 0 {
		return next, nil, nil
	}
	var names []string
	for _, x := range stack.Workloads {
		names = append(names, x.Name())
	}
	return next, names, nil
}

// prepareStack does everything that can fail before a pod is touched.
func (s *Supervisor) prepareStack(ctx context.Context, stack *services.Stack, opts ApplyOptions) (*services.Stack, error) {
	if _, err := order.Layers(stack); err != nil {
		return nil, fmt.Errorf("cannot start the stack: %w", err)
	}
	network.Expose(stack)
	if err := s.podnet.CheckRoom(stack); err != nil {
		return nil, err
	}
	if err := s.resources.NameVolumes(ctx, stack); err != nil {
		return nil, err
	}
	warn := opts.warn
	if warn == nil {
		warn = func(string) {}
	}
	s.inner.BuildsBegin()
	var made map[string]string
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		defer s.timeStep("images")()
		made, err = s.images.Make(gctx, stack, images.Options{Force: opts.Build, NoBuild: opts.NoBuild, Pull: opts.Way.Pull})
		return err
	})
	g.Go(func() error {
		defer s.timeStep("networks, volumes and agent")()
		return s.ensureNetwork(gctx, stack, opts.PortsAuto, warn)
	})
	g.Go(func() error {
		defer s.timeStep("helper image")()
		return s.ensureHelperImage(gctx, stack)
	})
	if opts.Meanwhile != nil {
		g.Go(func() error { return opts.Meanwhile(gctx) })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	defer s.timeStep("prepare objects")()
	prepared, err := prepare.Stack(stack, s.cfg.Instance.Name, made)
	if err == nil {
		err = dockerpod.MakeHostPaths(prepared)
	}
	if err != nil {
		return nil, err
	}
	return prepared, s.podnet.ClusterIPs(prepared.Services)
}

// useWay prepares the pods that run for being replaced in that way, until the next apply. Called by the loop.
func (s *Supervisor) useWay(way ApplyWay) {
	s.applyGrace = way.Grace
	for _, p := range s.cluster.Pods() {
		if w := s.pods.Plain(p.Name); w != nil {
			w.RemoveVolumes(way.NewVolumes)
		}
	}
}

// takeApplied makes the prepared stack the wanted one and returns the number of this apply. Called by the loop.
func (s *Supervisor) takeApplied(stack *services.Stack) (uint64, error) {
	if err := s.take(stack); err != nil {
		return 0, err
	}
	s.applied++
	return s.applied, nil
}

// take makes the prepared stack the wanted one. Called by the loop.
func (s *Supervisor) take(stack *services.Stack) error {
	s.inner.Use(stack)
	s.advice = explain.Advise(stack)
	if err := s.cluster.Want(stack); err != nil {
		return err
	}
	s.secrets.learn(stack)
	s.pods.SetStack(stack)
	return nil
}

// wantedStack asks the loop for the wanted stack, nil before the first. It is shared and must not be changed.
func (s *Supervisor) wantedStack(ctx context.Context) (*services.Stack, error) {
	return ask(ctx, s, "the wanted stack", func() (*services.Stack, error) { return s.cluster.Stack(), nil })
}

// savedStack is the file that keeps the stack for the next supervisor of the instance.
const savedStack = "stack.json"

func (s *Supervisor) saveStack(stack *services.Stack) error {
	b, err := json.Marshal(stack)
	if err != nil {
		return fmt.Errorf("cannot save the stack: %w", err)
	}
	if err := s.cfg.Instance.Save(); err != nil {
		return err
	}
	return instance.WriteFile(s.cfg.Instance.File(savedStack), b)
}

// forget removes the saved stack and the pauses of probes: the instance is down.
func (s *Supervisor) forget() error {
	var errs []error
	for _, name := range []string{savedStack, pausedFile} {
		if err := os.Remove(s.cfg.Instance.File(name)); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// SavedProfile is the profile of the stack that an instance runs, or ran when its supervisor died; ok is false for an
// instance that is down.
func SavedProfile(i *instance.Instance) (profile string, ok bool) {
	stack, err := readSaved[struct{ Profile string }](i)
	if stack == nil || err != nil {
		return "", false
	}
	return stack.Profile, true
}

// SavedStack is the prepared stack that an instance runs, or ran when its supervisor died; nil for an instance that is down.
func SavedStack(i *instance.Instance) (*services.Stack, error) { return readSaved[services.Stack](i) }

// readSaved reads what T has of the saved stack.
func readSaved[T any](i *instance.Instance) (*T, error) {
	b, err := os.ReadFile(i.File(savedStack))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	stack := new(T)
	if err == nil {
		err = json.Unmarshal(b, stack)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the stack that runs: %w", err)
	}
	return stack, nil
}

func newImages(s *Supervisor) *images.Maker {
	return images.New(images.Config{
		Engine: s.cfg.Engine, Builder: s.cfg.Builder,
		BuildsBegin:   func(list []*services.Build, all bool) { s.post(buildsBegin{list, all}) },
		BuildProgress: func(p build.Progress) { s.post(buildProgress{p}) },
		PullProgress:  func(b state.Build) { s.post(pullProgress{b}) },
	})
}
