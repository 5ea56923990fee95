// Package throwaway runs a copy of a stack that belongs to one test run: the supervisor of `lyandev up` in this process,
// under a name of its own, with free host ports, a state directory that goes away, and empty volumes. Its objects are made
// through testcontainers, whose reaper removes them if this process ends without doing so.
package throwaway

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/tcengine"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/network"
	"github.com/lyandev/lyandev/supervisor/state"
)

const (
	// portTries bounds how often other host ports are tried when one was taken meanwhile.
	portTries = 5
	// closeLimit bounds the teardown.
	closeLimit = time.Minute
	// removalsAtOnce bounds the removals of containers that go on side by side.
	removalsAtOnce = 8
)

// Config is what a copy is made from. All must be set but Name, From, Prepared and Log.
type Config struct {
	// Stack is the loaded stack; it is not changed.
	Stack  *services.Stack
	Engine *tcengine.Engine
	Images *Images
	// Operator makes the operator of a name (services/catalogue.New).
	Operator func(name string) (services.Operator, error)
	// Version is the binary's; Binary is the static binary that agents and sandboxes are made from.
	Version, Binary string
	// Name is the instance's name, at most 40 characters; "" is one that nobody else has.
	Name string
	// From, if its Name is set, is the snapshot that the volumes begin with.
	From Snapshot
	// Prepared, if its Policy is set and From is not, says how volumes are shared with earlier and later runs.
	Prepared Prepared
	// Log is where the supervisor logs; nil is nowhere.
	Log *slog.Logger
}

// Copy is a running copy of a stack. Its methods may be called by many.
type Copy struct {
	cfg   Config
	name  string
	stack *services.Stack
	eng   *tcengine.Engine
	sup   *supervisor.Supervisor
	home  string
	// release unlocks home.
	release func()
	done    chan struct{}
	err     error // why the supervisor ended; read after done
	cancel  context.CancelFunc
	seeding *seeding
	// preparing is written by seeding only, until Start returns; applied is when the stack was taken over.
	preparing preparing
	applied   time.Time
	tests     tests
	memory    memory
}

// NewName is an instance's name that nobody else has: "PROJECT-test-" and eight random characters.
func NewName(project string) string {
	name := instance.Normalize(project)
	if len(name) > 24 {
		name = strings.TrimRight(name[:24], "-")
	}
	return name + "-test-" + strings.ToLower(rand.Text()[:8])
}

// Start makes images, network and agent and lets the stack start. It returns when the stack has been taken over, not when
// it is ready: see WaitReady. After an error nothing is left.
func Start(ctx context.Context, cfg Config) (*Copy, error) {
	if cfg.Name == "" {
		cfg.Name = NewName(cfg.Stack.Name)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	c := &Copy{cfg: cfg, name: cfg.Name, stack: isolate(cfg.Stack, cfg.Name), done: make(chan struct{})}
	c.eng = cfg.Engine.With(c.waitPod)
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot start a copy of %s: %w", cfg.Stack.Name, err), c.Close(context.WithoutCancel(ctx)))
	}
	return c, nil
}

func (c *Copy) start(ctx context.Context) (err error) {
	if c.home, c.release, err = newHome(os.TempDir()); err != nil {
		return err
	}
	if err := c.cfg.Images.Make(ctx, c.stack.Builds); err != nil {
		return err
	}
	reg := &instance.Registry{Root: c.home}
	inst, err := reg.Resolve(ctx, c.cfg.Stack.Name, c.stack.Dir, c.name)
	if err != nil {
		return err
	}
	if err := inst.Save(); err != nil {
		return err
	}
	c.sup = supervisor.New(supervisor.Config{
		Instance: inst, Engine: c.eng, Builder: c.cfg.Images.Builder, Operator: c.cfg.Operator,
		Version: c.cfg.Version, Binary: c.cfg.Binary, Log: c.cfg.Log,
	})
	c.beginSeeding(ctx)
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c.cancel = cancel
	go func() {
		defer close(c.done)
		c.err = c.sup.Run(run)
	}()
	if err := c.running(ctx); err != nil {
		return err
	}
	return c.applyWithPorts(ctx)
}

// running waits until the supervisor has looked around once.
func (c *Copy) running(ctx context.Context) error {
	first := c.sup.Store().Latest().Seq
	return c.await(ctx, func(s *state.Snapshot) (bool, error) { return s.Seq > first, nil })
}

// applyWithPorts hands the stack over with host ports that are free, and with others when one was taken meanwhile.
func (c *Copy) applyWithPorts(ctx context.Context) error {
	for try := 1; ; try++ {
		if err := choosePorts(c.stack.HostPorts); err != nil {
			return err
		}
		_, err := c.sup.Apply(ctx, c.stack, supervisor.ApplyOptions{NoBuild: true, PortsAuto: true, Meanwhile: c.seeded})
		var taken *network.PortConflict
		c.applied = time.Now()
		if err == nil || try == portTries || !engine.IsPortTaken(err) && !errors.As(err, &taken) {
			return err
		}
	}
}

// Name is the instance's name: the project label of every object of the copy.
func (c *Copy) Name() string { return c.name }

// Stack is the stack as it runs, with the host ports that were chosen. It must not be changed.
func (c *Copy) Stack() *services.Stack { return c.stack }

// State is the latest snapshot.
func (c *Copy) State() *state.Snapshot { return c.sup.Store().Latest() }

// Subscribe delivers snapshots until ctx ends; see state.Store.
func (c *Copy) Subscribe(ctx context.Context) <-chan *state.Snapshot {
	return c.sup.Store().Subscribe(ctx)
}

// Events are the events so far.
func (c *Copy) Events() []state.Event { return c.sup.Events().Since(0) }

// Engine is the engine that the copy runs on.
func (c *Copy) Engine() *tcengine.Engine { return c.eng }

// Close ends everything at once, without grace, and removes containers, network, volumes and files. It may be called again.
// It gives itself a minute, whatever becomes of ctx.
func (c *Copy) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
	defer cancel()
	c.endSeeding()
	c.endSupervisor()
	return errors.Join(c.sweep(ctx), c.leaveHome())
}

// endSupervisor ends the supervisor and leaves what it looks after as it is, so that nothing is started any more.
func (c *Copy) endSupervisor() {
	if c.cancel == nil {
		return
	}
	c.cancel()
	<-c.done
	if c.err != nil {
		c.cfg.Log.Warn("a test run's supervisor ended with an error", "name", c.name, "error", c.err)
	}
}

// Abandon lets go of the copy and leaves it running, for somebody to look at. Its state directory goes, for all durable
// truth is on the engine's objects.
func (c *Copy) Abandon() error {
	c.endSeeding()
	c.endSupervisor()
	return c.leaveHome()
}

// sweep removes whatever carries the copy's name.
func (c *Copy) sweep(ctx context.Context) error {
	labels := map[string]string{services.ProjectLabel: c.name}
	containers, err := c.eng.ListContainers(ctx, labels)
	if err != nil {
		return err
	}
	var g errgroup.Group
	g.SetLimit(removalsAtOnce)
	for _, x := range containers {
		g.Go(func() error { return c.eng.RemoveContainer(ctx, x.ID) })
	}
	errs := []error{g.Wait()}
	networks, err := c.eng.ListNetworks(ctx, labels)
	errs = append(errs, err)
	for _, x := range networks {
		errs = append(errs, c.eng.RemoveNetwork(ctx, x.ID))
	}
	volumes, err := c.eng.ListVolumes(ctx, labels)
	errs = append(errs, err)
	for _, x := range volumes {
		errs = append(errs, c.eng.RemoveVolume(ctx, x.Name))
	}
	return errors.Join(errs...)
}
