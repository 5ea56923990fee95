// Package throwaway runs an isolated copy of a stack for one test run. The supervisor of `lyandev up` runs in this process; the
// copy has its own name, free host ports, a temporary state directory, and empty volumes. Its Docker objects are created
// through testcontainers, whose reaper removes them if this process is killed.
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
	"github.com/lyandev/lyandev/supervisor/agent"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/tcengine"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/network"
	"github.com/lyandev/lyandev/supervisor/state"
)

const (
	// portTries bounds the attempts with other host ports if one was taken in the meantime.
	portTries = 5
	// closeLimit bounds the teardown.
	closeLimit = time.Minute
	// removalsAtOnce bounds the concurrent removals of containers.
	removalsAtOnce = 8
)

// Config configures a copy. All fields are required except Name, From, Prepared and Log.
type Config struct {
	// Stack is the loaded stack; it is not changed.
	Stack  *services.Stack
	Engine *tcengine.Engine
	Images *Images
	// Operator returns the operator of a name (services/catalogue.New).
	Operator func(name string) (services.Operator, error)
	// Version is the version of lyandev. Binary is the path of the static binary for agents and sandboxes.
	Version, Binary string
	// Name is the instance's name, at most 40 characters; "" generates a unique one.
	Name string
	// From, if its Name is set, is the snapshot with the initial content of the volumes.
	From Snapshot
	// Prepared, if its Policy is set and From is not, configures volumes prepared by earlier runs and for later ones.
	Prepared Prepared
	// Log is the supervisor's log; nil discards.
	Log *slog.Logger
}

// Copy is a running copy of a stack. It is safe for concurrent use.
type Copy struct {
	cfg   Config
	name  string
	stack *services.Stack
	eng   *tcengine.Engine
	sup   *supervisor.Supervisor
	home  string
	inst  *instance.Instance
	// release unlocks home.
	release func()
	done    chan struct{}
	err     error // why the supervisor ended; read after done
	cancel  context.CancelFunc
	seeding *seeding
	// preparing is written only by seeding, until Start returns; applied is when the stack was applied.
	preparing preparing
	applied   time.Time
	tests     tests
	memory    memory
}

// NewName returns a unique instance name: "PROJECT-test-" and eight random characters.
func NewName(project string) string {
	name := instance.Normalize(project)
	if len(name) > 24 {
		name = strings.TrimRight(name[:24], "-")
	}
	return name + "-test-" + strings.ToLower(rand.Text()[:8])
}

// Start builds images, creates network and agent, and applies the stack. It blocks until the stack is applied, not until it is
// ready; see WaitReady. After an error everything is removed.
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
	c.inst = inst
	datapath, err := agent.WantedDatapath(os.Getenv)
	if err != nil {
		return err
	}
	c.sup = supervisor.New(supervisor.Config{
		Datapath: datapath,
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

// running waits until the supervisor has published its first state.
func (c *Copy) running(ctx context.Context) error {
	first := c.sup.Store().Latest().Seq
	return c.await(ctx, func(s *state.Status) (bool, error) { return s.Seq > first, nil })
}

// applyWithPorts applies the stack with free host ports, and again with others if one was taken in the meantime.
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

// Name returns the instance's name: the project label of all objects of the copy.
func (c *Copy) Name() string { return c.name }

// Stack returns the running stack, with the chosen host ports. It must not be changed.
func (c *Copy) Stack() *services.Stack { return c.stack }

// State returns the latest observed state.
func (c *Copy) State() *state.Status { return c.sup.Store().Latest() }

// Subscribe delivers states until ctx ends; see state.Store.
func (c *Copy) Subscribe(ctx context.Context) <-chan *state.Status {
	return c.sup.Store().Subscribe(ctx)
}

// Events returns all events so far.
func (c *Copy) Events() []state.Event { return c.sup.Events().Since(0) }

// Engine returns the engine of the copy.
func (c *Copy) Engine() *tcengine.Engine { return c.eng }

// Home returns the directory with the state of the copy's supervisor, where faults are recorded.
func (c *Copy) Home() string { return c.inst.Home() }

// Close stops the copy without grace periods, and removes its containers, network, volumes and files. It blocks up to a minute,
// even if ctx ends. It may be called again.
func (c *Copy) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
	defer cancel()
	c.endSeeding()
	c.endSupervisor()
	return errors.Join(c.sweep(ctx), c.leaveHome())
}

// endSupervisor ends the supervisor and leaves the containers as they are, so that nothing is started any more.
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

// Abandon ends the supervisor and leaves the containers running, for inspection. It removes the state directory; all durable state
// is on the engine's objects.
func (c *Copy) Abandon() error {
	c.endSeeding()
	c.endSupervisor()
	return c.leaveHome()
}

// sweep removes all Docker objects with the copy's name.
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
