package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// cutShort calls stop again when --timeout has passed, which ends the grace periods, until the returned function is called.
// Without --timeout it does nothing.
func cutShort(c *cli.Context, stop func()) (end func()) {
	seconds := c.Int("timeout")
	if seconds < 0 {
		return func() {}
	}
	// Not at once: a first stop that comes after this one would be the one that cuts short.
	t := time.AfterFunc(max(time.Duration(seconds)*time.Second, 100*time.Millisecond), stop)
	return func() { t.Stop() }
}

// downServices stops and removes the containers of services: it scales them to 0 and blocks until they are gone.
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
	replicas := map[string]int{}
	for _, n := range names {
		replicas[internalName(s, n)] = 0
	}
	if err := t.client.Scale(c.Context, replicas); err != nil {
		return fmt.Errorf("%w; `lyandev down` without services stops the whole stack", err)
	}
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt)
	defer stop()
	p := ui.NewProgress(st, c.Bool("quiet"))
	defer p.Close()
	err = t.client.WatchState(ctx, func(s *state.Status) bool {
		p.Show(s)
		for n := range replicas {
			if w, ok := s.Workload(n); ok && w.Want > 0 || len(s.PodsOf(n)) > 0 {
				return true
			}
		}
		return false
	})
	if errors.Is(err, context.Canceled) {
		return exitCode(exitInterrupted)
	}
	return err
}
