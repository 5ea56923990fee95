package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/api"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod/dockerpod"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
	"github.com/lyandev/lyandev/supervisor/ui/screen"
)

// dependenciesLimit bounds the wait for what the service of a one-off container depends on.
const dependenciesLimit = 10 * time.Minute

// runOneOff creates a one-off container, runs it and blocks until it has ended. Its exit code is this command's.
func runOneOff(c *cli.Context, st *ui.Streams) error {
	options, err := oneOffOptions(c, st)
	if err != nil {
		return err
	}
	if err := checkPull(c.String("pull")); err != nil {
		return withCode(exitUsage, err)
	}
	up := upOptions{st: st, profile: chosenProfile(c), quiet: c.Bool("quiet"), quietPull: c.Bool("quiet-pull"), quietBuild: c.Bool("quiet-build")}
	stack, err := loadForUp(c, &up)
	if err != nil {
		return err
	}
	from, x, container, err := oneOffService(c, stack, c.Args().First())
	if err != nil {
		return err
	}
	t, err := findTarget(c, stack)
	if err != nil {
		return err
	}
	eng, err := connect(c.Context)
	if err != nil {
		return err
	}
	defer eng.Close()
	began, err := beginSupervisor(c, t)
	if err != nil {
		return err
	}
	up.request = api.ApplyRequest{Stack: stack, PortsAuto: t.portsAuto(c), ApplyWay: api.ApplyWay{Pull: c.String("pull")}}
	made, err := createOneOff(c, t, up, x, api.OneOffRequest{
		Stack: from, Service: x.Name(), Container: container, Options: options, Build: c.Bool("build"), NoInit: c.Bool("no-deps"), Pull: c.String("pull"),
	})
	if err != nil {
		return abandonEmpty(t, err)
	}
	if c.Bool("detach") {
		if err := eng.StartContainer(c.Context, made.ID); err != nil {
			return errors.Join(err, eng.RemoveContainer(c.Context, made.ID))
		}
		fmt.Fprintln(st.Out, made.Name)
		return nil
	}
	err = runAttached(context.WithoutCancel(c.Context), st, eng, made, options)
	if began && options.Remove {
		endIfUnused(t, eng)
	}
	return err
}

// oneOffService finds the service in the stack, else among those of inactive profiles. from is the stack that has it, container the
// container that the name means, "" for the first. The error has exitUsage.
func oneOffService(c *cli.Context, stack *services.Stack, name string) (from *services.Stack, x *services.Workload, container string, err error) {
	from = stack
	x, container, err = oneOffNamed(stack, name)
	if x == nil && err == nil {
		if from, err = loadStack(c, "*"); err == nil {
			x, container, err = oneOffNamed(from, name)
		}
	}
	if err != nil {
		return nil, nil, "", err
	}
	if x == nil {
		return nil, nil, "", unknownName("service", name, from.DisplayNames())
	}
	for _, d := range x.DependsOn {
		if stack.Workload(d.Workload) == nil && !c.Bool("no-deps") {
			return nil, nil, "", withCode(exitUsage, fmt.Errorf("cannot run %s: it depends on %s, whose profile is not active; use --profile or --no-deps", name, d.Workload))
		}
	}
	return from, x, container, nil
}

// oneOffNamed finds the service of a name, else the one whose pod template has the only container of that name; nil if there is none.
func oneOffNamed(stack *services.Stack, name string) (x *services.Workload, container string, err error) {
	if x = stack.Find(name); x != nil {
		return x, "", nil
	}
	var with []string
	for _, w := range stack.Workloads {
		if slices.ContainsFunc(w.PodSpec().Containers, func(k corev1.Container) bool { return k.Name == name }) {
			x, with = w, append(with, w.DisplayName())
		}
	}
	if len(with) > 1 {
		return nil, "", withCode(exitUsage, fmt.Errorf("cannot run %s: %s have a container of that name; name one of them", name, strings.Join(with, ", ")))
	}
	return x, name, nil
}

// beginSupervisor makes sure that a supervisor answers; began is true if it had to be started.
func beginSupervisor(c *cli.Context, t *target) (began bool, err error) {
	if err := waitStopped(c.Context, t); err != nil {
		return false, err
	}
	answers, err := t.answers(c.Context)
	if err != nil || answers {
		return false, err
	}
	return true, startInBackground(c, t)
}

// createOneOff starts what the service depends on, waits for it, and has the container created.
func createOneOff(c *cli.Context, t *target, up upOptions, x *services.Workload, r api.OneOffRequest) (api.OneOffAnswer, error) {
	progress := screen.New(up.st, screen.Options{Quiet: up.quiet})
	defer progress.Close()
	shown, end := context.WithCancel(c.Context)
	defer end()
	go watchEvents(shown, t, progress, func(string) bool { return false })
	if len(x.DependsOn) > 0 && !c.Bool("no-deps") {
		for _, d := range x.DependsOn {
			up.request.Only = append(up.request.Only, up.request.Stack.Workload(d.Workload).DisplayName())
		}
		applied, err := t.client.Apply(c.Context, up.request)
		if err != nil {
			return api.OneOffAnswer{}, err
		}
		if err := awaitDependencies(c.Context, t, x.DependsOn, func(s *state.Status) bool { progress.Show(up.pruned(s)); return s.Applied >= applied.Applied }); err != nil {
			return api.OneOffAnswer{}, withCode(exitNotReady, fmt.Errorf("cannot run %s: %w", x.DisplayName(), err))
		}
	}
	return t.client.CreateOneOff(c.Context, r)
}

// awaitDependencies blocks until dependencies are satisfied, or one of them never will be. current says whether a state is to be
// looked at.
func awaitDependencies(ctx context.Context, t *target, list []services.Dependency, current func(*state.Status) bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, dependenciesLimit, errors.New("what it depends on was not there after "+dependenciesLimit.String()))
	defer cancel()
	var failed error
	err := t.client.WatchState(ctx, func(s *state.Status) bool {
		if !current(s) {
			return true
		}
		for _, d := range list {
			ok, why := satisfied(s, d)
			if why != "" {
				failed = errors.New(why)
				return false
			}
			if !ok {
				return true
			}
		}
		return false
	})
	return errors.Join(failed, err)
}

// satisfied reports whether a dependency is satisfied, or why it never will be.
func satisfied(s *state.Status, d services.Dependency) (ok bool, failed string) {
	w, found := s.Workload(d.Workload)
	if !found {
		return false, ""
	}
	pods := s.PodsOf(w.Name)
	part := &state.Status{Workloads: []state.Workload{w}, Pods: pods}
	if why := hopeless(part); why != "" && d.Condition != services.Started {
		return false, why
	}
	if d.Condition != services.Started {
		return w.Right, ""
	}
	pending := slices.ContainsFunc(pods, func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodPending || p.Status.Phase == "" })
	return w.Right || w.Hold == nil && w.Have >= w.Want && !pending, ""
}

// runAttached starts a created container with its streams connected to this terminal, and blocks until it has ended or the user
// detached. ctx must not end with a signal: signals are passed on.
func runAttached(ctx context.Context, st *ui.Streams, eng engine.Engine, made api.OneOffAnswer, o compose.OneOff) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	opts := engine.AttachOptions{Stdout: st.RawOut(), Stderr: st.RawErr()}
	if o.Stdin {
		opts.Stdin = st.In
	}
	until := engine.UntilNextExit
	if o.Remove {
		until = engine.UntilRemoved
	}
	ended, err := eng.Wait(ctx, made.ID, until)
	if err != nil {
		return err
	}
	attached, err := eng.Attach(ctx, made.ID, opts)
	if err != nil {
		return errors.Join(err, eng.RemoveContainer(ctx, made.ID))
	}
	if err := eng.StartContainer(ctx, made.ID); err != nil {
		return notRun(errors.Join(err, eng.RemoveContainer(ctx, made.ID)), o.Command)
	}
	if o.TTY {
		restore, err := shareTerminal(ctx, st, eng, made.ID)
		if err != nil {
			return err
		}
		defer restore()
	}
	defer passSignals(ctx, eng, made.ID, true, cancel)()
	if err := attached(); err != nil {
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	}
	return oneOffEnd(ctx, eng, made.ID, ended, o.TTY)
}

// shareTerminal puts the terminal into raw mode, and keeps the container's terminal at its size until ctx ends.
func shareTerminal(ctx context.Context, st *ui.Streams, eng engine.Engine, id string) (restore func(), err error) {
	restore, sizes, err := rawTerminal(st)
	if err != nil {
		return nil, err
	}
	columns, rows := st.Size()
	_ = eng.ResizeTTY(ctx, id, uint(columns), uint(rows)) // a wrong size is no reason to stop
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case size := <-sizes:
				_ = eng.ResizeTTY(ctx, id, size[0], size[1])
			}
		}
	}()
	return restore, nil
}

// oneOffEnd waits for the exit code of a container whose output has ended. The output of a terminal also ends when the user
// detaches; the container goes on then.
func oneOffEnd(ctx context.Context, eng engine.Engine, id string, ended <-chan engine.Ended, tty bool) error {
	var detached <-chan time.Time
	if tty {
		detached = time.After(time.Second)
	}
	for {
		select {
		case e := <-ended:
			if e.Err != nil {
				return e.Err
			}
			return exitCode(e.ExitCode)
		case <-detached:
			detached = nil
			if c, err := eng.InspectContainer(ctx, id); err == nil && c.State == engine.StateRunning {
				return nil
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// notRun gives the error of a container that could not be started the exit code that shells use: 127 for a command that was not
// found, 126 for one that cannot be executed, 125 for anything else, as docker run does.
func notRun(err error, command []string) error {
	code := 125
	switch text := err.Error(); {
	case strings.Contains(text, "executable file not found"), strings.Contains(text, "no such file or directory"):
		code = 127
	case strings.Contains(text, "permission denied"), strings.Contains(text, "is a directory"):
		code = 126
	}
	if len(command) > 0 {
		err = fmt.Errorf("cannot run %s: %w", command[0], err)
	}
	return withCode(code, err)
}

// endIfUnused ends a supervisor that was started for a one-off container and has nothing else.
func endIfUnused(t *target, eng engine.Engine) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	list, err := eng.ListContainers(ctx, map[string]string{services.ProjectLabel: t.instance.Name, services.KindLabel: dockerpod.KindOneOff})
	if err == nil && len(list) == 0 {
		_ = abandonEmpty(t, nil)
	}
}
