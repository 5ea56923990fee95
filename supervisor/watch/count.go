package watch

import (
	"context"
	"io/fs"
	"path/filepath"
)

// CountDirs returns how many directories a Watcher of the roots watches. It stops at limit or at the end of ctx; more is then true.
func CountDirs(ctx context.Context, roots []Root, limit int) (n int, more bool) {
	t := newTracker(roots)
	for _, top := range t.tops() {
		err := filepath.WalkDir(top, func(path string, e fs.DirEntry, err error) error {
			switch {
			case ctx.Err() != nil || n >= limit:
				more = true
				return fs.SkipAll
			case err != nil && e != nil && e.IsDir():
				return fs.SkipDir
			case err != nil || !e.IsDir():
				return nil
			case !t.entered(path):
				return fs.SkipDir
			}
			n++
			return nil
		})
		if err != nil || more {
			break
		}
	}
	return n, more
}
