package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor"
	"github.com/lyandev/lyandev/supervisor/api"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
	"github.com/lyandev/lyandev/supervisor/ui/screen"
)

// served is a supervisor that runs in this process, with its API. done receives its error when it has exited.
type served struct {
	sup  *supervisor.Supervisor
	done chan error
	// leave ends the supervisor and leaves the pods running.
	leave context.CancelFunc
}

// serve takes the instance's lock, starts a supervisor in this process and returns when its API listens. With stopAtOnce
// the supervisor only stops the running stack.
func serve(ctx context.Context, c *cli.Context, i *instance.Instance, log *slog.Logger, stopAtOnce bool) (*served, error) {
	lock, err := i.Lock()
	if err != nil {
		return nil, err
	}
	eng, err := connect(ctx)
	if err != nil {
		lock.Release()
		return nil, err
	}
	sup, err := newSupervisor(c, eng, i, log, lock.Check)
	if err != nil {
		lock.Release()
		return nil, err
	}
	l, err := api.ListenSocket(i.Socket())
	if err != nil {
		lock.Release()
		return nil, err
	}
	if stopAtOnce {
		sup.Stop()
	}
	ctx, leave := context.WithCancel(ctx)
	s := &served{sup: sup, done: make(chan error, 1), leave: leave}
	apiCtx, endAPI := context.WithCancel(context.WithoutCancel(ctx))
	apiDone, kept := make(chan error, 1), make(chan error, 1)
	go func() { apiDone <- api.Serve(apiCtx, l, backend{sup}, log) }()
	go func() { kept <- keepPlace(apiCtx, lock.Check, l.Restore, leave, log) }()
	go func() {
		defer leave()
		err := sup.Run(ctx)
		endAPI()
		if lost := <-kept; lost != nil {
			err = lost // the root cause of any other error
		}
		err = errors.Join(err, <-apiDone, eng.Close())
		lock.Release()
		s.done <- err
	}()
	return s, nil
}

// keepEvery is the interval at which a supervisor checks its lock and its socket.
const keepEvery = time.Second

// keepPlace checks every keepEvery, until ctx ends, that this process is still the instance's supervisor. It recreates a
// removed socket. When the lock is lost, it calls leave and returns the error of check.
func keepPlace(ctx context.Context, check func() error, restore func() (bool, error), leave func(), log *slog.Logger) error {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := check(); err != nil {
			leave()
			return err
		}
		made, err := restore()
		if err != nil {
			log.Warn(err.Error())
		}
		if made {
			log.Warn("the control socket had been removed; it was recreated")
		}
	}
}

// backend adapts the supervisor to the API's backend interfaces.
type backend struct{ *supervisor.Supervisor }

func (b backend) Apply(ctx context.Context, r api.ApplyRequest) (api.ApplyAnswer, error) {
	a, err := b.Supervisor.Apply(ctx, r.Stack, supervisor.ApplyOptions{
		PortsAuto: r.PortsAuto, Build: r.Build, NoBuild: r.NoBuild, NoWatch: r.NoWatch, Only: r.Only, NoDeps: r.NoDeps,
		Way: supervisor.ApplyWay(r.ApplyWay), Began: r.Began,
	})
	return api.ApplyAnswer(a), err
}

// Control implements api.Backend.
func (b backend) Control(ctx context.Context, r api.ControlRequest) error {
	return b.Supervisor.Control(ctx, supervisor.Control(r))
}

// PauseProbes implements api.ProbePauser.
func (b backend) PauseProbes(ctx context.Context, r api.ProbePauseRequest) ([]string, error) {
	return b.Supervisor.PauseProbes(ctx, supervisor.ProbePause(r))
}

// ResumeProbes implements api.ProbePauser.
func (b backend) ResumeProbes(ctx context.Context, r api.ProbePauseRequest) ([]string, error) {
	return b.Supervisor.ResumeProbes(ctx, supervisor.ProbePause(r))
}

// CreateOneOff implements api.OneOffCreator.
func (b backend) CreateOneOff(ctx context.Context, r api.OneOffRequest) (api.OneOffAnswer, error) {
	c, err := b.Supervisor.CreateOneOff(ctx, supervisor.OneOff(r))
	return api.OneOffAnswer(c), err
}

// PlanSwitch implements api.SwitchBackend.
func (b backend) PlanSwitch(ctx context.Context, r api.SwitchRequest) (any, error) {
	return b.Supervisor.PlanSwitch(ctx, r.Stack)
}

// Switch implements api.SwitchBackend.
func (b backend) Switch(ctx context.Context, r api.SwitchRequest) error {
	opts := supervisor.ApplyOptions{PortsAuto: r.PortsAuto, Build: r.Build, NoBuild: r.NoBuild, Began: r.Began}
	return b.Supervisor.Switch(ctx, r.Stack, opts, r.Limit)
}

// SaveSnapshot implements api.SnapshotBackend.
func (b backend) SaveSnapshot(ctx context.Context, name string, r api.SnapshotRequest) (any, error) {
	return b.Supervisor.SaveSnapshot(ctx, name, r.Services, r.Replace)
}

// RestoreSnapshot implements api.SnapshotBackend.
func (b backend) RestoreSnapshot(ctx context.Context, name string, r api.SnapshotRequest) (any, error) {
	return b.Supervisor.RestoreSnapshot(ctx, name, r.Services)
}

// foreground runs the supervisor in this process and blocks until the stack has been stopped.
func foreground(c *cli.Context, t *target, o upOptions) error {
	if err := t.instance.Save(); err != nil {
		return err
	}
	// A signal that cancels the command's context must not end the supervisor: it has to stop the stack first.
	ctx := context.WithoutCancel(c.Context)
	log := &laterWriter{to: o.st.Err}
	s, err := serve(ctx, c, t.instance, loggerTo(c, log), false)
	if errors.Is(err, instance.ErrHeld) && otherAnswers(ctx, t) {
		return attach(c, t, o)
	}
	if err != nil {
		return err
	}
	view, endView := context.WithCancel(ctx)
	defer endView()
	began := time.Now()
	o.request.Began = timed(o.request.Began, "start the supervisor")
	o.wait, o.timeout = true, foregroundLimit
	v := o.open(view, c, t, began, "Ctrl-C stops")
	defer v.close()
	if !o.quiet {
		log.set(noteWriter{v.progress})
		defer log.set(o.st.Err)
	}
	interrupted := stopOnSignal(s, v.progress, func() { endView(); o.cutShort(s.sup.Halt) })
	if err := v.start(view, began); err != nil && !errors.Is(err, context.Canceled) && !isNotReady(err) {
		s.sup.Halt()
		return errors.Join(err, <-s.done)
	}
	return waitForEnd(s, v.progress, view, interrupted)
}

// stopping says what the first Ctrl-C does.
func stopping(s *state.Status) string {
	kept := ""
	if slices.ContainsFunc(s.Pods, services.PlainPod) {
		kept = "containers of plain services are kept for the next up; "
	}
	return "stopping; " + kept + "Ctrl-C again stops immediately"
}

// stopOnSignal stops the stack at the first Ctrl-C and cuts the grace periods short at the second. The returned channel is
// closed at the first.
func stopOnSignal(s *served, p screen.Progress, endView context.CancelFunc) <-chan struct{} {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	interrupted := make(chan struct{})
	go func() {
		<-signals
		close(interrupted)
		endView()
		if s.sup.Store().Latest().Engine != "" {
			p.Note("the Docker engine does not answer, so nothing can be stopped until it does; Ctrl-C again exits and leaves the pods running")
		} else {
			p.Note(stopping(s.sup.Store().Latest()))
		}
		s.sup.Halt()
		for range signals {
			if s.sup.Store().Latest().Engine != "" {
				p.Note("the pods are left running; once the engine answers, `lyandev up` takes them over and `lyandev down` stops them")
				s.leave()
			}
			s.sup.Halt()
		}
	}()
	return interrupted
}

// waitForEnd blocks until the supervisor has exited and shows the progress of the teardown.
func waitForEnd(s *served, p screen.Progress, view context.Context, interrupted <-chan struct{}) error {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for snap := range s.sup.Store().Subscribe(view) {
			if snap.Phase == state.Stopping || snap.Phase == state.Stopped {
				break
			}
		}
		for snap := range s.sup.Store().Subscribe(context.WithoutCancel(view)) {
			p.Show(snap)
			if snap.Phase == state.Stopped {
				return
			}
		}
	}()
	err := <-s.done
	select {
	case <-stopped:
	case <-time.After(time.Second):
	}
	select {
	case <-interrupted:
		if err == nil {
			return exitCode(exitInterrupted)
		}
	default:
		p.Note("another command stopped the stack")
	}
	return err
}

// newSuperviseCommand is the process that `up -d` leaves in the background.
func newSuperviseCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "supervise", Hidden: true, ArgsUsage: "INSTANCE", Usage: "run the supervisor of an instance in the background",
		Action: func(c *cli.Context) error {
			i, err := instance.Open().Get(c.Args().First())
			if err != nil {
				return err
			}
			if i == nil {
				return withCode(exitUsage, fmt.Errorf("cannot supervise %q: there is no such instance", c.Args().First()))
			}
			s, err := serve(c.Context, c, i, logger(c, st), false)
			if err != nil {
				return err
			}
			return <-s.done
		},
	}
}
