// Package restore replaces the contents of a running stack's volumes by those of a snapshot, one restore at a time, and
// finishes a restore that a former supervisor began.
package restore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/snapshot"
)

// retryInterval is the time between two tries to finish a restore that has begun to replace contents.
const retryInterval = 5 * time.Second

// Stack is the running stack as a restore sees it. All methods may block until ctx ends.
type Stack interface {
	// Sources returns the wanted stack and the claims of the named workloads, of all workloads without names.
	Sources(ctx context.Context, names []string) (*services.Stack, []snapshot.Source, error)
	// Suspend ends the pods of workloads, dependents first, and keeps new ones from starting until Resume. It returns when
	// the last pod is gone.
	Suspend(ctx context.Context, workloads []string, why string) error
	// Resume lets workloads start again.
	Resume(ctx context.Context, workloads []string) error
}

// Config is what a Restorer works with. All fields must be set.
type Config struct {
	Stack     Stack
	Snapshots snapshot.Config
	// File is the path of the file that keeps a restore from the moment that services are stopped until they may start again.
	File string
	// Event records an event on the stack.
	Event func(typ, reason, message string)
	Log   *slog.Logger
}

// Restorer carries out one restore at a time. Its methods may be called concurrently.
type Restorer struct {
	cfg Config
	// busy holds a value while a restore is carried out; whoever put it there may use pending.
	busy chan struct{}
	// pending is the restore that File keeps, nil for none.
	pending *pendingRestore
}

// New returns a Restorer. Call Adopt, and then Run, to finish what a former supervisor began.
func New(cfg Config) *Restorer {
	return &Restorer{cfg: cfg, busy: make(chan struct{}, 1)}
}

// Restore gives the volumes of the named workloads, or of all that the snapshot has, the content of a snapshot. It first
// finishes a restore that was cut off. The copies are written beside the present content while the services run; then these
// are stopped, the contents are exchanged, and the services may start again. A volume without a copy whose service replicates
// from a restored one is emptied. Restore returns when the services may start; once they are being stopped it goes on
// even if ctx ends. An error before that has changed nothing; after it the services stay stopped, and Run tries again.
func (r *Restorer) Restore(ctx context.Context, name string, names []string) (*snapshot.Restored, error) {
	if err := r.lock(ctx); err != nil {
		return nil, fmt.Errorf("cannot restore %s: %w", name, err)
	}
	defer r.unlock()
	if err := r.finish(ctx); err != nil {
		return nil, fmt.Errorf("cannot restore %s before the restore that was interrupted is finished: %w", name, err)
	}
	m, err := r.cfg.Snapshots.Find(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("cannot restore: %w", err)
	}
	stack, list, err := r.plan(ctx, m, names)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	done := &snapshot.Restored{Name: name, Claims: list}
	job, err := r.cfg.Snapshots.Begin(ctx, m, list)
	if err != nil {
		return nil, fmt.Errorf("cannot restore %s: %w; nothing was changed", name, err)
	}
	defer func() { _ = job.Close(ctx) }() // the next job removes what it leaves
	if done.Bytes, err = job.Fill(ctx); err != nil {
		return nil, fmt.Errorf("cannot restore %s: %w; nothing was changed", name, err)
	}
	done.Copying = time.Since(began)
	x := &pendingRestore{Name: name, Claims: list, Workloads: snapshot.Affected(stack, list)}
	if err := r.save(x); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot restore %s: %w; nothing was changed", name, err), job.Abandon(ctx))
	}
	stopped := time.Now()
	if err := r.exchange(context.WithoutCancel(ctx), x, job); err != nil {
		return nil, err
	}
	done.Stopped = time.Since(stopped)
	r.cfg.Event("Normal", "SnapshotRestored",
		fmt.Sprintf("%s: %d MB, downtime %s", name, done.Bytes>>20, done.Stopped.Round(time.Millisecond)))
	return done, nil
}

// plan decides which claim gets which content, and refuses what cannot work.
func (r *Restorer) plan(ctx context.Context, m *snapshot.Meta, names []string) (*services.Stack, []snapshot.Restoring, error) {
	stack, all, err := r.cfg.Stack.Sources(ctx, names)
	if err == nil && len(names) > 0 {
		stack, all, err = r.cfg.Stack.Sources(ctx, snapshot.Group(stack, names))
	}
	if err != nil {
		return nil, nil, fmt.Errorf("cannot restore %s: %w", m.Name, err)
	}
	list, err := snapshot.PlanRestore(m, all, stack.Profile)
	if err != nil {
		return nil, nil, err
	}
	if err := r.cfg.Snapshots.CheckVersions(ctx, m, list, all); err != nil {
		return nil, nil, err
	}
	list, err = r.cfg.Snapshots.Existing(ctx, list)
	return stack, list, err
}

// lock waits until no restore is being carried out.
func (r *Restorer) lock(ctx context.Context) error {
	select {
	case r.busy <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("another restore is in progress: %w", context.Cause(ctx))
	}
}

func (r *Restorer) unlock() { <-r.busy }
