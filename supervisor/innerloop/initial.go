package innerloop

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/livesync"
)

// initialSync brings the files of rules with initial_sync that are younger than the image into the containers.
func (l *Loop) initialSync(ctx context.Context) {
	l.mu.Lock()
	stack, r := l.stack, l.routes
	l.mu.Unlock()
	for i := range r.rules {
		q := &r.rules[i]
		if !q.Rule.InitialSync || !syncs(q.Rule.Action) || stack.Workload(q.Workload) == nil {
			continue
		}
		made := l.imageMade(ctx, stack.Workload(q.Workload), q.Rule.Container)
		items := q.younger(made)
		if len(items) == 0 || ctx.Err() != nil {
			continue
		}
		now := time.Now()
		t := &task{
			workload: q.Workload, quiet: true, sync: map[string][]livesync.Item{q.Rule.Container: items}, seen: now, complete: now,
		}
		l.recordFiles(t)
		l.offer(t)
	}
}

// imageMade is when a container's image was made; the zero time if that is not known.
func (l *Loop) imageMade(ctx context.Context, x *services.Workload, container string) time.Time {
	for _, c := range x.PodSpec().Containers {
		if c.Name != container {
			continue
		}
		if img, err := l.cfg.Engine.InspectImage(ctx, c.Image); err == nil {
			return img.Created
		}
	}
	return time.Time{}
}

// younger are the rule's files, and directories with nothing to sync in them, that were changed after a time.
func (q *routed) younger(than time.Time) []livesync.Item {
	var found []string
	full := map[string]bool{} // directories with something to sync
	dirs := map[string]bool{}
	_ = filepath.WalkDir(q.Rule.Path, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			if e != nil && e.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if e.IsDir() && q.match.Skips(path) {
			return fs.SkipDir
		}
		if !q.match.Matches(path, e.IsDir()) {
			return nil
		}
		full[filepath.Dir(path)] = true
		if info, err := os.Lstat(path); err == nil && info.ModTime().After(than) {
			found, dirs[path] = append(found, path), e.IsDir()
		}
		return nil
	})
	var out []livesync.Item
	for _, path := range found {
		if dirs[path] && full[path] {
			continue
		}
		if item, ok := livesync.ItemOf(q.Rule, path, q.file); ok {
			out = append(out, item)
		}
	}
	return out
}
