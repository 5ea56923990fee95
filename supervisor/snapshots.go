package supervisor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/restore"
	"github.com/lyandev/lyandev/supervisor/snapshot"
)

// savedRestore is the file that keeps a restore from the moment that services are stopped until they may start again.
const savedRestore = "restore.json"

func newRestorer(s *Supervisor) *restore.Restorer {
	return restore.New(restore.Config{
		Stack: restoredStack{s}, Snapshots: s.Snapshots(), File: s.cfg.Instance.File(savedRestore), Log: s.log,
		Event: func(typ, reason, message string) {
			s.event("Stack", s.cfg.Instance.Name, typ, reason, "%s", message)
		},
	})
}

// Snapshots is how snapshots of this instance are made.
func (s *Supervisor) Snapshots() snapshot.Config {
	return snapshot.Config{
		Engine: s.cfg.Engine, Project: s.cfg.Instance.Name, Dir: s.cfg.Instance.Dir, Home: s.cfg.Instance.Home(), Volume: s.pods.Volume,
		SameHost: func() bool { return s.podnet.SameHost() },
		Image: func(ctx context.Context) (string, error) {
			ref, _, err := s.image.Ensure(ctx)
			return ref, err
		},
	}
}

// sources are the claims of the running stack.
func (s *Supervisor) sources(ctx context.Context, names []string) (*services.Stack, []snapshot.Source, error) {
	type found struct {
		stack   *services.Stack
		sources []snapshot.Source
	}
	f, err := ask(ctx, s, "the claims of the stack", func() (f found, err error) {
		if s.cluster.Stack() == nil {
			return f, errNoStack
		}
		f.stack = s.cluster.Stack()
		f.sources, err = snapshot.Sources(f.stack, s.cluster.Pods(), names)
		return f, err
	})
	return f.stack, f.sources, err
}

// SaveSnapshot copies the volumes of the named workloads, or of all, while they run. It blocks until the snapshot is durable;
// the end of ctx gives it up.
func (s *Supervisor) SaveSnapshot(ctx context.Context, name string, names []string, replace bool) (*snapshot.Meta, error) {
	if err := snapshot.CheckName(name); err != nil {
		return nil, err
	}
	m, err := s.save(ctx, snapshot.SaveRequest{Name: name, Replace: replace}, names)
	if err != nil {
		return nil, err
	}
	s.event("Stack", s.cfg.Instance.Name, "Normal", "SnapshotSaved", "%s: %d MB in %s, services stood still for %s",
		name, m.Bytes>>20, m.Took.Round(time.Millisecond), m.Frozen.Round(time.Millisecond))
	return m, nil
}

// SaveTo copies all volumes, while they run, into a snapshot that belongs to another instance and is known by a key. It blocks
// as SaveSnapshot does.
func (s *Supervisor) SaveTo(ctx context.Context, to snapshot.Config, name, key string) error {
	_, err := s.save(ctx, snapshot.SaveRequest{Name: name, To: &to, Prepared: key}, nil)
	return err
}

func (s *Supervisor) save(ctx context.Context, q snapshot.SaveRequest, names []string) (*snapshot.Meta, error) {
	return called(ctx, s, "save "+q.Name, func(ctx context.Context) (*snapshot.Meta, error) { return s.saveNow(ctx, q, names) })
}

func (s *Supervisor) saveNow(ctx context.Context, q snapshot.SaveRequest, names []string) (*snapshot.Meta, error) {
	stack, sources, err := s.sources(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("cannot save %s: %w", q.Name, err)
	}
	q.Profile, q.Sources, q.LeftOut = stack.Profile, sources, snapshot.LeftOut(stack, names)
	q.Say = func(text string) { s.log.Info("snapshot", "name", q.Name, "progress", text) }
	if len(names) == 0 {
		q.Steps = s.passedSteps()
	}
	return s.Snapshots().Save(ctx, q)
}

// RestoreSnapshot gives the volumes of the named workloads, or of all that the snapshot has, the content of a snapshot, as
// restore.Restorer.Restore says. It waits for a switch of profiles in progress.
func (s *Supervisor) RestoreSnapshot(ctx context.Context, name string, names []string) (*snapshot.Restored, error) {
	s.applying.Lock()
	defer s.applying.Unlock()
	if err := s.switcher.Await(ctx); err != nil {
		return nil, err
	}
	return s.restorer.Restore(ctx, name, names)
}

// adoptRestore keeps the services of a restore that was interrupted from starting until it is finished. Called before the loop
// runs.
func (s *Supervisor) adoptRestore() {
	names, why := s.restorer.Adopt()
	for _, n := range names {
		s.cluster.Suspensions.Add(n, why)
	}
}

// restoredStack is the running stack as a restore sees it.
type restoredStack struct{ s *Supervisor }

// Sources implements restore.Stack.
func (k restoredStack) Sources(ctx context.Context, names []string) (*services.Stack, []snapshot.Source, error) {
	return k.s.sources(ctx, names)
}

// Suspend implements restore.Stack.
func (k restoredStack) Suspend(ctx context.Context, names []string, why string) error {
	s := k.s
	for {
		left, err := ask(ctx, s, "suspend "+strings.Join(names, ", "), func() (int, error) { return s.cluster.SuspendMore(names, why), nil })
		if err != nil || left == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("cannot stop %s: %w", strings.Join(names, ", "), context.Cause(ctx))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Resume implements restore.Stack.
func (k restoredStack) Resume(ctx context.Context, names []string) error {
	s := k.s
	return s.change(ctx, "resume "+strings.Join(names, ", "), func() error { s.cluster.Suspensions.Remove(names); return nil })
}
