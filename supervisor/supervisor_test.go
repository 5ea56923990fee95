package supervisor

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
	"github.com/lyandev/lyandev/supervisor/instance"
)

// idle is a supervisor on a fake engine on which nothing runs.
func idle(t testing.TB, root string) *Supervisor {
	t.Helper()
	return idleOn(t, root, enginefake.New())
}

// idleOn is idle with an engine.
func idleOn(t testing.TB, root string, eng *enginefake.Engine) *Supervisor {
	t.Helper()
	i, err := (&instance.Registry{Root: root}).Resolve(t.Context(), "s", root, "s")
	if err != nil {
		t.Fatal(err)
	}
	return New(Config{Instance: i, Engine: eng, Log: slog.New(slog.DiscardHandler)})
}

// TestPostsAfterTheLoopsEndDoNotBlock: workers that are still ending post more than the inbox holds, and Run waits for them.
func TestPostsAfterTheLoopsEndDoNotBlock(t *testing.T) {
	root := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := idle(t, root)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		time.Sleep(time.Second)
		s.background.Go(func() {
			<-ctx.Done()
			for range 2 * cap(s.inbox) {
				s.post(lookAgain{"test"})
			}
		})
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestCallsOfASupervisorThatNeverRan: without an engine Run fails before the loop begins; who asks then gets an error.
func TestCallsOfASupervisorThatNeverRan(t *testing.T) {
	root := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		eng := enginefake.New()
		s := idleOn(t, root, eng)
		eng.Down()
		if err := s.Run(t.Context()); err == nil {
			t.Fatal("Run succeeds without an engine")
		}
		for range 2 * cap(s.inbox) {
			s.post(lookAgain{"test"})
		}
		if err := s.change(t.Context(), "test", func() error { return nil }); err == nil {
			t.Error("a question to a supervisor that has ended is answered")
		}
	})
}
