//go:build unix

package main

import (
	"context"
)

// measureCommands measures the short commands on the example in profile ha: first the peer's on its stack, then lyandev's on its own,
// so that only one of them runs.
func measureCommands(ctx context.Context, b *bench) error {
	if err := b.composeCommands(ctx); err != nil {
		b.noPeer(err, "noop", "ps", "status", "why", "events", "version")
	}
	if err := b.startHA(ctx); err != nil {
		return err
	}
	if err := b.repeat(ctx, b.runs, 1, b.ha.timed, []string{"up", "-d", "--quiet", "--profile", "ha"}, b.ours, "noop"); err != nil {
		return err
	}
	for _, c := range []struct {
		key  string
		args []string
	}{
		{"ps", []string{"ps"}},
		{"status", []string{"status"}},
		{"why", []string{"why", "lyanna-deployment"}},
		{"events", []string{"events"}},
		{"version", []string{"--version"}},
	} {
		if err := b.repeat(ctx, 4*b.runs, 1000, b.ha.timed, c.args, b.ours, c.key); err != nil {
			return err
		}
	}
	return nil
}

// composeCommands measures the peer's commands.
func (b *bench) composeCommands(ctx context.Context) error {
	defer b.cleanUp(len(b.undo))
	p, err := b.haPeer("commands-peer")
	if err != nil {
		return err
	}
	if _, err := p.compose(ctx, "up", "-d", "--wait", "--no-build"); err != nil {
		return err
	}
	if err := b.repeat(ctx, b.runs, 1, p.timed, []string{"up", "-d", "--no-build"}, b.theirs, "noop"); err != nil {
		return err
	}
	if err := b.repeat(ctx, 4*b.runs, 1000, p.timed, []string{"ps"}, b.theirs, "ps", "status", "why", "events"); err != nil {
		return err
	}
	return b.repeat(ctx, 4*b.runs, 1000, p.timed, []string{"version"}, b.theirs, "version")
}

// repeat runs a command so often, after a run that is not counted, and adds the time in seconds, times a factor, to rows.
func (b *bench) repeat(
	ctx context.Context, times int, factor float64, run timed, args []string, add func(key string, value float64), keys ...string,
) error {
	for n := range times + 1 {
		took, err := run(ctx, args...)
		if err != nil {
			return err
		}
		for _, key := range keys {
			if n > 0 {
				add(key, took*factor)
			}
		}
	}
	return nil
}
