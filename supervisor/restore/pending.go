package restore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/snapshot"
)

// pendingRestore is a restore whose copies are complete beside the present content of the volumes. Its JSON is read by other
// versions; fields may only be added.
type pendingRestore struct {
	Name string `json:"name"`
	// Claims are the claims whose content is replaced, Workloads the workloads that must not run meanwhile.
	Claims    []snapshot.Restoring `json:"claims"`
	Workloads []string             `json:"workloads"`
}

func (x *pendingRestore) why() string { return "waits for snapshot " + x.Name + " to be restored" }

// Adopt reads the restore that a former supervisor did not finish, and returns the workloads that must not start before Run
// has finished it, with the reason; none if there is no such restore. Call it once, before Run and Restore.
func (r *Restorer) Adopt() (workloads []string, why string) {
	b, err := os.ReadFile(r.cfg.File)
	if errors.Is(err, os.ErrNotExist) {
		return nil, ""
	}
	x := new(pendingRestore)
	if err == nil {
		err = json.Unmarshal(b, x)
	}
	if err != nil || len(x.Claims) == 0 {
		r.cfg.Log.Warn("cannot read the restore that was in progress; the volumes stay as they are", "file", r.cfg.File, "error", err)
		return nil, ""
	}
	r.pending = x
	return x.Workloads, x.why()
}

// Run finishes the restore of a former supervisor, and one whose exchange of contents failed, every 5 s until that has
// succeeded, and removes once what killed supervisors left of saving snapshots. It returns nil when ctx ends.
func (r *Restorer) Run(ctx context.Context) error {
	tick := time.NewTicker(retryInterval)
	defer tick.Stop()
	tidy := false
	for {
		if err := r.lock(ctx); err != nil {
			return nil
		}
		if x := r.pending; x != nil {
			if err := r.finish(ctx); err != nil && ctx.Err() == nil {
				r.cfg.Log.Warn("cannot finish a restore; trying again", "snapshot", x.Name, "error", err)
			}
		}
		r.unlock()
		if !tidy {
			tidy = r.removeLeftovers(ctx)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// removeLeftovers removes what saves and restores of killed supervisors left on the engine. It returns false if that is to be
// tried again.
func (r *Restorer) removeLeftovers(ctx context.Context) bool {
	removed, err := r.cfg.Snapshots.RemoveLeftovers(ctx)
	if len(removed) > 0 {
		r.cfg.Event("Normal", "SnapshotLeftoversRemoved", "removed what an interrupted snapshot left: "+strings.Join(removed, ", "))
	}
	if err != nil && ctx.Err() == nil {
		r.cfg.Log.Warn("cannot remove what an interrupted snapshot left; trying again", "error", err)
	}
	return err == nil
}

// finish carries out the rest of the pending restore, if there is one. The caller holds the lock.
func (r *Restorer) finish(ctx context.Context) error {
	x := r.pending
	if x == nil {
		return nil
	}
	job, err := r.cfg.Snapshots.Begin(ctx, nil, x.Claims)
	if err != nil {
		return err
	}
	defer func() { _ = job.Close(ctx) }() // the next job removes what it leaves
	if err := r.exchange(ctx, x, job); err != nil {
		return err
	}
	r.cfg.Event("Normal", "SnapshotRestored", x.Name+": finished the restore that was interrupted")
	return nil
}

// exchange stops the services, replaces the contents, and lets the services start. After an error the restore stays pending.
// The caller holds the lock.
func (r *Restorer) exchange(ctx context.Context, x *pendingRestore, job *snapshot.Restoration) error {
	err := r.cfg.Stack.Suspend(ctx, x.Workloads, x.why())
	if err == nil {
		err = job.Swap(ctx)
	}
	if err == nil {
		err = r.forget()
	}
	if err != nil {
		return fmt.Errorf("cannot restore %s: %w; %s stay stopped, and the supervisor tries again every %s",
			x.Name, err, strings.Join(x.Workloads, ", "), retryInterval)
	}
	return r.cfg.Stack.Resume(ctx, x.Workloads)
}

// save makes a restore the pending one. It is called before services are stopped.
func (r *Restorer) save(x *pendingRestore) error {
	b, err := json.Marshal(x)
	if err == nil {
		err = instance.WriteFile(r.cfg.File, b)
	}
	if err != nil {
		return fmt.Errorf("cannot save the restore for a later supervisor: %w", err)
	}
	r.pending = x
	return nil
}

// forget is called when the contents have been replaced.
func (r *Restorer) forget() error {
	if err := os.Remove(r.cfg.File); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot remove the saved restore: %w", err)
	}
	r.pending = nil
	return nil
}
