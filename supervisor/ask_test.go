package supervisor

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/cluster"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/snapshot"
	"github.com/lyandev/lyandev/supervisor/state"
)

// TestCallersThatGiveUpShareNothingWithTheLoop calls everything that asks the loop for a value with a context that has ended,
// while the loop answers. It is meant for the race detector.
func TestCallersThatGiveUpShareNothingWithTheLoop(t *testing.T) {
	s := &Supervisor{
		cfg:   Config{Instance: &instance.Instance{Name: "s"}},
		store: state.NewStore(&state.Status{}), inbox: make(chan message, 256), done: make(chan struct{}),
		cluster: cluster.NewCluster(cluster.Config{}), log: slog.New(slog.DiscardHandler),
	}
	want(t, s, prepared(t, deployment("web", 1)))
	s.inner, s.switcher = newInnerLoop(s), newSwitcher(s)
	s.switcher.Discard()
	go func() {
		defer close(s.done)
		for m := range s.inbox {
			if m == nil {
				return
			}
			m.handle(s)
		}
	}()
	gone := errors.New("the caller has gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	for name, call := range map[string]func() error{
		"PlanSwitch": func() error { _, err := s.PlanSwitch(ctx, &services.Stack{Name: "s"}); return err },
		"Workload":   func() error { _, err := s.Workload(ctx, "web"); return err },
		"sources":    func() error { _, _, err := s.sources(ctx, nil); return err },
		"scaledTo":   func() error { _, err := s.scaledTo(ctx, map[string]int{"web": 2}); return err },
		"mark":       func() error { _, err := loopStatuses{s.store, s}.Mark(ctx); return err },
		"repin":      func() error { _, err := s.repin(ctx, "img:1", "sha256:1", time.Now()); return err },
		"restart":    func() error { return s.RestartWorkload(ctx, "web") },
	} {
		for range 50 {
			// An answer that is there when the call looks is taken, and that of sources is that nothing has a volume.
			if err := call(); err != nil && !errors.Is(err, gone) && !errors.Is(err, snapshot.ErrNothing) {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	s.inbox <- nil
	<-s.done
	if _, err := s.Workload(t.Context(), "web"); err == nil {
		t.Error("the loop answers after its end")
	}
}
