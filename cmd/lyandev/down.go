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
	if s, err := t.client.State(c.Context); err == nil {
		if err := engineAway("stop", s); err != nil {
			return err
		}
		if err := askToStop(c.Context, t, show); err != nil {
			return err
		}
		return waitUnlocked(c.Context, t)
	}
	if err := waitUnlocked(c.Context, t); err != nil {
		return err
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
	if err != nil || s.Phase != state.Stopping && s.Phase != state.Stopped {
		return nil
	}
	if err := engineAway("bring up", s); err != nil {
		return err
	}
	err = t.client.WatchState(ctx, func(*state.Snapshot) bool { return true })
	if err != nil && !errors.Is(err, api.ErrNoSupervisor) {
		return err
	}
	return waitUnlocked(ctx, t)
}

// waitUnlocked waits until no supervisor has the instance any more, 10 s at most. One that answers is not waited for.
func waitUnlocked(ctx context.Context, t *target) error {
	for range 1000 {
		release, err := t.instance.Lock()
		if err == nil {
			release()
			return nil
		}
		if !errors.Is(err, instance.ErrHeld) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(10 * time.Millisecond):
		}
	}
	return fmt.Errorf("cannot go on: the supervisor of %s does not answer and does not end; see %s", t.instance.Name, t.instance.LogFile())
}

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
