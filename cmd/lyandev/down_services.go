package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"slices"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/supervisor/api"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
	"github.com/lyandev/lyandev/supervisor/ui/screen"
)

// cutShort calls stop again when --timeout has passed, which ends the grace periods, until the returned function is called.
// Without --timeout it does nothing.
func cutShort(c *cli.Context, stop func()) (end func()) {
	seconds := c.Int64("timeout")
	if seconds < 0 {
		return func() {}
	}
	// Not at once: a first stop that comes after this one would be the one that cuts short.
	t := time.AfterFunc(max(time.Duration(seconds)*time.Second, 100*time.Millisecond), stop)
	return func() { t.Stop() }
}

// withGrace is a state in which no pod has a longer grace period than --timeout allows, in seconds; below 0 is no limit.
func withGrace(s *state.Status, limit int64) *state.Status {
	if limit < 0 {
		return s
	}
	out := *s
	out.Pods = slices.Clone(s.Pods)
	for i, p := range out.Pods {
		if g := p.DeletionGracePeriodSeconds; g != nil && *g > limit {
			shorter := *p
			shorter.DeletionGracePeriodSeconds = &limit
			out.Pods[i] = &shorter
		}
	}
	return &out
}

// downServices stops and removes the containers of services, as `rm --stop` does, and blocks until they are gone.
func downServices(c *cli.Context, st *ui.Streams, names []string) error {
	if c.String("rmi") != "" {
		return withCode(exitUsage, errors.New("cannot remove the images of single services: --rmi is for the whole stack; remove an image with docker rmi"))
	}
	if c.Bool("volumes") {
		return withCode(exitUsage, errors.New("cannot delete the volumes of single services: --volumes is for the whole stack; remove a volume with docker volume rm"))
	}
	t, err := findTarget(c, nil)
	if err != nil {
		return err
	}
	s, err := t.client.State(c.Context)
	if err != nil {
		return err
	}
	if err := engineAway("stop", s); err != nil {
		return err
	}
	if err := checkServices(s, names); err != nil {
		return err
	}
	r := api.ControlRequest{Verb: "rm", Services: names, Stop: true}
	if seconds := c.Int64("timeout"); seconds >= 0 {
		r.Grace = &seconds
	}
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt)
	defer stop()
	shown, endShow := context.WithCancel(ctx)
	p := screen.New(st, screen.Options{Quiet: c.Bool("quiet")})
	var showing sync.WaitGroup
	showing.Go(func() {
		_ = t.client.WatchState(shown, func(s *state.Status) bool { p.Show(withGrace(s, c.Int64("timeout"))); return true })
	})
	err = t.client.Control(ctx, r)
	endShow()
	showing.Wait()
	p.Close()
	if ctx.Err() != nil && c.Context.Err() == nil {
		return exitCode(exitInterrupted)
	}
	return err
}
