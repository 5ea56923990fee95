//go:build unix

package main

import (
	"context"
	"errors"
)

// measureStart starts the example in profile ha from empty volumes, stops it, starts it again on its volumes, and removes it; then
// the peer; and so on, so that both see the same changes of the machine.
func measureStart(ctx context.Context, b *bench) error {
	s, err := b.example("start")
	if err != nil {
		return err
	}
	p, peerErr := b.haPeer("start-peer")
	up := []string{"up", "-d", "--wait", "--quiet", "--profile", "ha"}
	for range b.runs {
		if err := startAndStop(ctx, s.timed, b.ours, up, []string{"down", "--quiet"}); err != nil {
			return err
		}
		if _, err := s.lyandev(ctx, "down", "--volumes", "--quiet"); err != nil {
			return err
		}
		if peerErr == nil {
			peerErr = startAndStop(ctx, p.timed, b.theirs, []string{"up", "-d", "--wait", "--no-build"}, []string{"down"})
			peerErr = errors.Join(peerErr, p.down(ctx))
		}
	}
	if peerErr != nil {
		b.noPeer(peerErr, "ha/up", "ha/stop", "ha/start")
	}
	return nil
}

type timed func(ctx context.Context, args ...string) (float64, error)

func startAndStop(ctx context.Context, run timed, add func(key string, value float64), up, down []string) error {
	for _, step := range []struct {
		key  string
		args []string
	}{{"ha/up", up}, {"ha/stop", down}, {"ha/start", up}} {
		took, err := run(ctx, step.args...)
		if err != nil {
			return err
		}
		add(step.key, took)
	}
	return nil
}

// measureMinimal starts the example in profile minimal from empty volumes, in turn with the peer.
func measureMinimal(ctx context.Context, b *bench) error {
	s, err := b.example("minimal")
	if err != nil {
		return err
	}
	for range b.runs {
		took, err := s.timed(ctx, "up", "-d", "--wait", "--quiet", "--profile", "minimal")
		if err != nil {
			return err
		}
		b.ours("minimal/up", took)
		if _, err := s.lyandev(ctx, "down", "--volumes", "--quiet"); err != nil {
			return err
		}
		b.composeMinimal(ctx, "minimal/up")
	}
	return nil
}

// composeMinimal adds to a row how long Docker Compose takes to start profile minimal from empty volumes, in seconds.
func (b *bench) composeMinimal(ctx context.Context, key string) {
	took, err := b.startMinimal(ctx)
	if err != nil {
		b.noPeer(err, key)
		return
	}
	b.theirs(key, took)
}

func (b *bench) startMinimal(ctx context.Context) (float64, error) {
	defer b.cleanUp(len(b.undo))
	p, err := b.minimalPeer("minimal-peer")
	if err != nil {
		return 0, err
	}
	return p.timed(ctx, "up", "-d", "--wait", "--no-build")
}
