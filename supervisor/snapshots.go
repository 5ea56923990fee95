package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/snapshot"
)

// savedRestore is the file that keeps a restore from the moment that services stop until they may start again.
const savedRestore = "restore.json"

// exchange is a restore as it survives the supervisor.
type exchange struct {
	Name string `json:"name"`
	// Claims get another content; it is complete beside the old one. Workloads do not run meanwhile.
	Claims    []snapshot.Restoring `json:"claims"`
	Workloads []string             `json:"workloads"`
}

// Snapshots is how snapshots of this instance are made.
func (s *Supervisor) Snapshots() snapshot.Config {
	return snapshot.Config{
		Engine: s.cfg.Engine, Project: s.cfg.Instance.Name, Dir: s.cfg.Instance.Dir, Home: s.cfg.Instance.Home(),
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
	stack, sources, err := s.sources(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("cannot save %s: %w", q.Name, err)
	}
	q.Profile, q.Sources = stack.Profile, sources
	q.Say = func(text string) { s.log.Info("snapshot", "name", q.Name, "progress", text) }
	if len(names) == 0 {
		q.Steps = s.passedSteps()
	}
	return s.Snapshots().Save(ctx, q)
}

// RestoreSnapshot gives the volumes of the named workloads, or of all that the snapshot has, the content of a snapshot. The
// copies are brought in beside the present content while the services go on; then these stop, the contents are exchanged,
// and they start again. What replicates from a restored service without a copy of its own is emptied and seeded anew. Errors
// before the services stop have changed nothing. It returns when they may start; from their stop on it does not end with ctx.
func (s *Supervisor) RestoreSnapshot(ctx context.Context, name string, names []string) (*snapshot.Restored, error) {
	s.applying.Lock()
	defer s.applying.Unlock()
	if err := s.switcher.Await(ctx); err != nil {
		return nil, err
	}
	c := s.Snapshots()
	m, err := c.Find(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("cannot restore: %w", err)
	}
	stack, list, err := s.planRestore(ctx, c, m, names)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	done := &snapshot.Restored{Name: name, Claims: list}
	r, err := c.Begin(ctx, m, list)
	if err != nil {
		return nil, fmt.Errorf("cannot restore %s: %w; nothing was changed", name, err)
	}
	defer func() { _ = r.Close(ctx) }() // what it leaves the next job removes
	if done.Bytes, err = r.Fill(ctx); err != nil {
		return nil, fmt.Errorf("cannot restore %s: %w; nothing was changed", name, err)
	}
	done.Copying = time.Since(began)
	x := &exchange{Name: name, Claims: list, Workloads: snapshot.Affected(stack, list)}
	if err := s.saveExchange(x); err != nil {
		return nil, errors.Join(err, r.Abandon(ctx))
	}
	stopped := time.Now()
	if err := s.exchange(context.WithoutCancel(ctx), x, r); err != nil {
		return nil, err
	}
	done.Stopped = time.Since(stopped)
	s.event("Stack", s.cfg.Instance.Name, "Normal", "SnapshotRestored", "%s: %d MB, services were away for %s",
		name, done.Bytes>>20, done.Stopped.Round(time.Millisecond))
	return done, nil
}

// planRestore decides what a restore does, and refuses what cannot work.
func (s *Supervisor) planRestore(ctx context.Context, c snapshot.Config, m *snapshot.Meta, names []string) (*services.Stack, []snapshot.Restoring, error) {
	stack, all, err := s.sources(ctx, names)
	if err == nil && len(names) > 0 {
		stack, all, err = s.sources(ctx, snapshot.Group(stack, names))
	}
	if err != nil {
		return nil, nil, fmt.Errorf("cannot restore %s: %w", m.Name, err)
	}
	list, err := snapshot.PlanRestore(m, all, stack.Profile)
	if err != nil {
		return nil, nil, err
	}
	if err := c.CheckVersions(ctx, m, list, all); err != nil {
		return nil, nil, err
	}
	list, err = c.Existing(ctx, list)
	return stack, list, err
}

// exchange stops the services, puts the contents into place, and lets the services start. An error leaves it to the next
// supervisor, or to the next restore, to finish.
func (s *Supervisor) exchange(ctx context.Context, x *exchange, r *snapshot.Restoration) error {
	if err := s.suspend(ctx, x.Workloads, "waits for snapshot "+x.Name+" to be restored"); err != nil {
		return err
	}
	if err := r.Swap(ctx); err != nil {
		return fmt.Errorf("%w; %v stay stopped: restore again, or `lyandev down` and `up`, which finishes it", err, x.Workloads)
	}
	if err := os.Remove(s.cfg.Instance.File(savedRestore)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot forget the restore: %w", err)
	}
	return s.resume(ctx, x.Workloads)
}

func (s *Supervisor) saveExchange(x *exchange) error {
	b, err := json.Marshal(x)
	if err == nil {
		err = instance.WriteFile(s.cfg.Instance.File(savedRestore), b)
	}
	if err != nil {
		return fmt.Errorf("cannot remember the restore: %w", err)
	}
	return nil
}

// adoptExchange keeps the services of a restore that was cut off away until it is finished. Called before the loop runs.
func (s *Supervisor) adoptExchange() *exchange {
	b, err := os.ReadFile(s.cfg.Instance.File(savedRestore))
	if err != nil {
		return nil
	}
	x := new(exchange)
	if err := json.Unmarshal(b, x); err != nil || len(x.Claims) == 0 {
		s.log.Warn("cannot read the restore that was going on; the volumes are as they are", "error", err)
		return nil
	}
	for _, n := range x.Workloads {
		s.cluster.Suspensions.Add(n, "waits for snapshot "+x.Name+" to be restored")
	}
	return x
}

// finishExchange finishes a restore that a former supervisor began.
func (s *Supervisor) finishExchange(ctx context.Context, x *exchange) error {
	for x != nil && ctx.Err() == nil {
		r, err := s.Snapshots().Begin(ctx, nil, x.Claims)
		if err == nil {
			err = s.exchange(ctx, x, r)
			_ = r.Close(ctx)
		}
		if err == nil {
			s.event("Stack", s.cfg.Instance.Name, "Normal", "SnapshotRestored", "%s: finished what had been cut off", x.Name)
			return nil
		}
		s.log.Warn("cannot finish a restore", "snapshot", x.Name, "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Second):
		}
	}
	return nil
}

// suspend ends the pods of workloads, dependents first, and keeps them away until resume. It returns when the last pod has
// gone.
func (s *Supervisor) suspend(ctx context.Context, names []string, why string) error {
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

// resume lets workloads start again.
func (s *Supervisor) resume(ctx context.Context, names []string) error {
	return s.change(ctx, "resume "+strings.Join(names, ", "), func() error { s.cluster.Suspensions.Remove(names); return nil })
}
