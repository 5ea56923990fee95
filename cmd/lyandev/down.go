package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor"
	"github.com/lyandev/lyandev/supervisor/api"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/pod/composepod"
	"github.com/lyandev/lyandev/supervisor/resources"
	"github.com/lyandev/lyandev/supervisor/snapshot"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
	"github.com/lyandev/lyandev/supervisor/ui/screen"
)

func newDownCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "down", Usage: "stop the stack and remove its containers and network; volumes are kept unless --volumes is given",
		ArgsUsage:   "[SERVICE...]",
		Description: "With services, only their containers are stopped and removed, until the next up.",
		Flags: []cli.Flag{
			&cli.Int64Flag{Name: "timeout", Aliases: []string{"t"}, Value: -1, Usage: "kill what has not stopped after `SECONDS`; default: each service's own grace period"},
			&cli.BoolFlag{Name: "remove-orphans", Usage: "accepted as in docker compose: all containers of the stack are always removed"},
			&cli.BoolFlag{Name: "volumes", Aliases: []string{"v"}, Usage: "delete the stack's volumes too and list them; snapshots are kept (snapshot rm deletes them)"},
			&cli.StringFlag{Name: "rmi", Usage: "remove images that lyandev has built too: `local` are those to which the file gives no name, all are all"},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "do not show progress"},
		},
		Action: func(c *cli.Context) error {
			if which := c.String("rmi"); which != "" && which != "local" && which != "all" {
				return withCode(exitUsage, fmt.Errorf("cannot use --rmi %q: it must be local or all", which))
			}
			if c.NArg() > 0 {
				return downServices(c, st, c.Args().Slice())
			}
			stack := stackOfImages(c)
			if err := runDown(c, st, c.Bool("volumes"), c.Bool("quiet")); err != nil || c.String("rmi") == "" {
				return err
			}
			if stack == nil {
				return errors.New("cannot tell which images to remove: the stack was not running and its file cannot be read; `lyandev config` says why")
			}
			eng, err := connect(c.Context)
			if err != nil {
				return err
			}
			defer eng.Close()
			return removeImages(c.Context, st, eng, stack, c.String("rmi"))
		},
	}
}

// stackOfImages is the stack whose images --rmi removes: that of the file, with all Compose profiles, else the one that runs; nil without
// --rmi or if there is neither.
func stackOfImages(c *cli.Context) *services.Stack {
	if c.String("rmi") == "" {
		return nil
	}
	if stack, err := loadStack(c, "*"); err == nil {
		return stack
	}
	t, err := findTarget(c, nil)
	if err != nil {
		return nil
	}
	stack, _ := supervisor.SavedStack(t.instance)
	return stack
}

func runDown(c *cli.Context, st *ui.Streams, volumes, quiet bool) error {
	t, err := findTarget(c, nil)
	if err != nil {
		return err
	}
	running, _ := supervisor.SavedStack(t.instance) // what cannot be read provides nothing
	if err := stopStack(c, st, t, quiet); err != nil {
		return err
	}
	if running != nil {
		if err := providers(c, st, t.instance.Name, running.Dir).Down(c.Context, running.Providers); err != nil {
			return err
		}
	}
	anonymous := &composepod.Anonymous{File: t.instance.File(composepod.AnonymousFile)}
	if !volumes {
		return anonymous.Forget() // as under Docker Compose, they stay on the engine and the next up begins with new ones
	}
	eng, err := connect(c.Context)
	if err != nil {
		return err
	}
	defer eng.Close()
	if err := errors.Join(removeVolumes(c.Context, st, eng, t.instance), removeAnonymous(c.Context, st, eng, anonymous)); err != nil {
		return err
	}
	left, err := eng.ListVolumes(c.Context, map[string]string{services.ProjectLabel: t.instance.Name})
	if err != nil || len(left) > 0 {
		return err
	}
	return t.instance.Remove() // no volumes left either, so the directory is free for another name
}

// stopStack stops the stack through the running supervisor, or with a supervisor in this process if none runs.
func stopStack(c *cli.Context, st *ui.Streams, t *target, quiet bool) error {
	p := screen.New(st, screen.Options{Quiet: quiet})
	defer p.Close()
	show := func(s *state.Status) bool { p.Show(withGrace(s, c.Int64("timeout"))); return true }
	answers, err := t.answers(c.Context)
	if err == nil && !answers {
		answers, err = waitUnlocked(c.Context, t)
	}
	if err != nil {
		return err
	}
	if answers {
		defer cutShort(c, func() { _ = t.client.Stop(c.Context) })()
		if err := stopRunning(c.Context, t, show); err != nil {
			return err
		}
		if _, kept := supervisor.SavedProfile(t.instance); !kept {
			return nil
		}
		// A Ctrl-C had begun to stop the stack and to keep its containers.
	}
	s, err := serve(c.Context, c, t.instance, logger(c, st), true)
	if err != nil {
		return err
	}
	defer cutShort(c, s.sup.Stop)()
	watch, cancel := context.WithCancel(c.Context)
	defer cancel()
	go func() {
		for snap := range s.sup.Store().Subscribe(watch) {
			show(snap)
		}
	}()
	return <-s.done
}

// stopRunning tells the running supervisor to stop the stack and blocks until the supervisor has exited.
func stopRunning(ctx context.Context, t *target, show func(*state.Status) bool) error {
	s, err := t.client.State(ctx)
	if err != nil {
		return err
	}
	if err := engineAway("stop", s); err != nil {
		return err
	}
	// A stop that an interrupted down began goes on: asking again would cut the grace periods short.
	if err := askToStop(ctx, t, show, s.Phase != state.Stopping); err != nil {
		return err
	}
	_, err = waitUnlocked(ctx, t)
	return err
}

// askToStop sends the stop request, if ask is set, and blocks until the supervisor's API has closed, or until the engine has
// been unreachable for patienceWithEngine.
func askToStop(ctx context.Context, t *target, show func(*state.Status) bool, ask bool) error {
	if ask {
		if err := t.client.Stop(ctx); err != nil {
			return err
		}
	}
	limited, look, gone, end := engineLimit(ctx)
	defer end()
	err := t.client.WatchState(limited, func(s *state.Status) bool { look(s); return show(s) })
	if s := gone(); s != nil {
		return withCode(exitNoEngine, fmt.Errorf("cannot stop %s completely: the Docker engine does not answer; the %d remaining pods "+
			"are stopped as soon as it answers; volumes are kept", s.Project, len(s.Pods)))
	}
	if errors.Is(err, api.ErrNoSupervisor) {
		return nil
	}
	return err
}

// waitStopped blocks until the supervisor of a stack that is being stopped has exited. It returns at once if the stack is
// not being stopped.
func waitStopped(ctx context.Context, t *target) error {
	s, err := t.client.State(ctx)
	if errors.Is(err, api.ErrNoSupervisor) {
		return nil
	}
	if err != nil || s.Phase != state.Stopping && s.Phase != state.Stopped {
		return err
	}
	if err := engineAway("bring up", s); err != nil {
		return err
	}
	err = t.client.WatchState(ctx, func(*state.Status) bool { return true })
	if err != nil && !errors.Is(err, api.ErrNoSupervisor) {
		return err
	}
	_, err = waitUnlocked(ctx, t)
	return err
}

// waitUnlocked blocks until no supervisor holds the instance's lock or the supervisor that holds it answers (answers is
// true then), for at most patienceWithSupervisor. A supervisor recreates a removed socket within a second.
func waitUnlocked(ctx context.Context, t *target) (answers bool, err error) {
	deadline := time.Now().Add(patienceWithSupervisor)
	for {
		lock, err := t.instance.Lock()
		if err == nil {
			lock.Release()
			return false, nil
		}
		if !errors.Is(err, instance.ErrHeld) {
			return false, err
		}
		if answers, err = t.answers(ctx); answers || err != nil {
			return answers, err
		}
		if time.Now().After(deadline) {
			return false, fmt.Errorf("cannot reach the supervisor of %[2]s: process %[1]d holds its lock, but did not answer on the socket %[3]s within %[4]s; "+
				"see its log %[5]s, or end it with `kill %[1]d`: the pods keep running, and the next `lyandev up` or `lyandev down` takes them over",
				t.instance.Holder(), t.instance.Name, t.instance.Socket(), patienceWithSupervisor, t.instance.LogFile())
		}
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// otherAnswers reports whether a supervisor of the instance answers. It waits for one that another process is just starting.
func otherAnswers(ctx context.Context, t *target) bool {
	answers, err := waitUnlocked(ctx, t)
	return answers && err == nil
}

// composeVolumes returns the volumes that Docker Compose made for the project and the stack has used.
func composeVolumes(ctx context.Context, eng engine.Volumes, i *instance.Instance) (out []engine.Volume, err error) {
	names, err := resources.ComposeVolumes(i)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	all, err := eng.ListVolumes(ctx, map[string]string{resources.ComposeProject: i.Name})
	for _, v := range all {
		if slices.Contains(names, v.Name) && v.Labels[services.ProjectLabel] == "" {
			out = append(out, v)
		}
	}
	return out, err
}

// removeAnonymous deletes the anonymous volumes that the containers of the stack have left, and prints how many. One that somebody else
// uses stays.
func removeAnonymous(ctx context.Context, st *ui.Streams, eng engine.Volumes, a *composepod.Anonymous) error {
	names, err := a.Left()
	if err != nil {
		return err
	}
	n := 0
	for _, name := range names {
		switch err := eng.RemoveVolume(ctx, name); {
		case err == nil:
			n++
		case !engine.IsConflict(err):
			return err
		}
	}
	if n > 0 {
		fmt.Fprintf(st.Err, "deleted %d anonymous volumes\n", n)
	}
	return a.Forget()
}

// patienceWithSupervisor is how long a command waits for a supervisor that holds the lock and does not answer.
const patienceWithSupervisor = 10 * time.Second

// removeVolumes deletes the volumes with the project's label, except snapshots, and those of Docker Compose that the stack has
// used, and prints their names.
func removeVolumes(ctx context.Context, st *ui.Streams, eng engine.Volumes, i *instance.Instance) error {
	list, err := eng.ListVolumes(ctx, map[string]string{services.ProjectLabel: i.Name})
	if err != nil {
		return err
	}
	ofCompose, err := composeVolumes(ctx, eng, i)
	if err != nil {
		return err
	}
	list = append(list, ofCompose...)
	slices.SortFunc(list, func(a, b engine.Volume) int { return compare(a.Name, b.Name) })
	var errs []error
	for _, v := range list {
		if v.Labels[snapshot.NameLabel] != "" {
			if v.Labels[snapshot.KindLabel] == snapshot.KindSnapshot {
				fmt.Fprintf(st.Err, "kept snapshot %s (lyandev snapshot rm deletes it)\n", v.Labels[snapshot.NameLabel])
			}
			continue
		}
		if err := eng.RemoveVolume(ctx, v.Name); err != nil {
			errs = append(errs, err)
			continue
		}
		fmt.Fprintf(st.Err, "deleted volume %s\n", v.Name)
	}
	return errors.Join(errs...)
}
