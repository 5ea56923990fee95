package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/supervisor/api"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
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

// downServices stops and removes the containers of services, as `rm --stop` does, and blocks until they are gone.
func downServices(c *cli.Context, st *ui.Streams, names []string) error {
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
	if seconds := c.Int64("timeout"); seconds >= 0 { // rm knows only the services' own grace periods
		r := api.ControlRequest{Verb: "stop", Services: names, Grace: &seconds}
		if err := t.client.Control(c.Context, r); err != nil {
			return err
		}
		if err := awaitControl(c, t, s, r); err != nil {
			return err
		}
	}
	if err := t.client.Control(c.Context, api.ControlRequest{Verb: "rm", Services: names, Stop: true}); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt)
	defer stop()
	p := ui.NewProgress(st, c.Bool("quiet"))
	defer p.Close()
	err = t.client.WatchState(ctx, func(s *state.Status) bool {
		p.Show(s)
		return slices.ContainsFunc(names, func(n string) bool { return len(s.PodsOf(internalName(s, n))) > 0 })
	})
	if errors.Is(err, context.Canceled) {
		return exitCode(exitInterrupted)
	}
	return err
}
