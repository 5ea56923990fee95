package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/api"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/snapshot"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newDownCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "down", Usage: "stop the stack and remove its containers and network; volumes stay unless asked for",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "volumes", Aliases: []string{"v"}, Usage: "delete the stack's volumes too, and say which; snapshots stay (snapshot rm deletes them)"},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "no progress"},
		},
		Action: func(c *cli.Context) error { return runDown(c, st, c.Bool("volumes"), c.Bool("quiet")) },
	}
}

func runDown(c *cli.Context, st *ui.Streams, volumes, quiet bool) error {
	t, err := findTarget(c, nil)
	if err != nil {
		return err
	}
	if err := stopStack(c, st, t, quiet); err != nil {
		return err
	}
	if !volumes {
		return nil
	}
	eng, err := connect(c.Context)
	if err != nil {
		return err
	}
	defer eng.Close()
	if err := removeVolumes(c.Context, st, eng, t.instance.Name); err != nil {
		return err
	}
	left, err := eng.ListVolumes(c.Context, map[string]string{services.ProjectLabel: t.instance.Name})
	if err != nil || len(left) > 0 {
		return err
	}
	return t.instance.Remove() // nothing of it is left: the directory may have another name next time
}

// stopStack asks the running supervisor, or becomes one for the purpose.
func stopStack(c *cli.Context, st *ui.Streams, t *target, quiet bool) error {
	p := ui.NewProgress(st, quiet)
	defer p.Close()
	show := func(s *state.Snapshot) bool { p.Show(s); return true }
	answers, err := t.answers(c.Context)
	if err == nil && !answers {
		answers, err = waitUnlocked(c.Context, t)
	}
	if err != nil {
		return err
	}
	if answers {
		return stopRunning(c.Context, t, show)
	}
	s, err := serve(c.Context, c, t.instance, logger(c, st), true)
	if err != nil {
		return err
	}
	watch, cancel := context.WithCancel(c.Context)
	defer cancel()
	go func() {
		for snap := range s.sup.Store().Subscribe(watch) {
			show(snap)
		}
	}()
	return <-s.done
}

// stopRunning has the running supervisor stop the stack, and waits until it has ended.
func stopRunning(ctx context.Context, t *target, show func(*state.Snapshot) bool) error {
	s, err := t.client.State(ctx)
	if err != nil {
		return err
	}
	if err := engineAway("stop", s); err != nil {
		return err
	}
	if err := askToStop(ctx, t, show); err != nil {
		return err
	}
	_, err = waitUnlocked(ctx, t)
	return err
}

// askToStop asks the running supervisor, and waits until it has ended. It gives up when the engine is lost meanwhile.
func askToStop(ctx context.Context, t *target, show func(*state.Snapshot) bool) error {
	if err := t.client.Stop(ctx); err != nil {
		return err
	}
	limited, look, gone, end := engineLimit(ctx)
	defer end()
	err := t.client.WatchState(limited, func(s *state.Snapshot) bool { look(s); return show(s) })
	if s := gone(); s != nil {
		return withCode(exitNoEngine, fmt.Errorf("cannot stop %s to the end: the Docker engine does not answer; %d pods are left, and "+
			"are stopped as soon as it does; volumes stay", s.Project, len(s.Pods)))
	}
	if errors.Is(err, api.ErrNoSupervisor) {
		return nil
	}
	return err
}

// waitStopped waits until a stack that is being stopped has been; one that is not is not waited for.
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
	err = t.client.WatchState(ctx, func(*state.Snapshot) bool { return true })
	if err != nil && !errors.Is(err, api.ErrNoSupervisor) {
		return err
	}
	_, err = waitUnlocked(ctx, t)
	return err
}

// waitUnlocked waits until no supervisor has the instance any more, or one answers (answers is true then): 10 s at most. One
// whose socket was removed makes it again within a second.
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
			return false, fmt.Errorf("cannot go on: process %[1]d looks after %[2]s, and nobody answers on its socket %[3]s after %[4]s; "+
				"see %[5]s, or end it with `kill %[1]d`: what runs goes on, and the next `lyandev up` or `lyandev down` takes it over",
				t.instance.Holder(), t.instance.Name, t.instance.Socket(), patienceWithSupervisor, t.instance.LogFile())
		}
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// patienceWithSupervisor is how long a command waits for a supervisor that has the lock and does not answer.
const patienceWithSupervisor = 10 * time.Second

// removeVolumes deletes the volumes with the project's label, and says which.
func removeVolumes(ctx context.Context, st *ui.Streams, eng engine.Engine, project string) error {
	list, err := eng.ListVolumes(ctx, map[string]string{services.ProjectLabel: project})
	if err != nil {
		return err
	}
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
