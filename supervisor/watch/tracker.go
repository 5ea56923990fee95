package watch

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Root is a directory or a file to watch.
type Root struct {
	// Path is absolute, without symbolic links in it.
	Path string
	// Match selects the paths to report; nil selects all.
	Match *Matcher
}

func (r *Root) matches(path string, dir bool) bool {
	if path == r.Path {
		return true
	}
	_, ok := below(r.Path, path)
	return ok && (r.Match == nil || r.Match.Matches(path, dir))
}

func (r *Root) skips(dir string) bool {
	if dir == r.Path {
		return false
	}
	_, ok := below(r.Path, dir)
	return !ok || r.Match != nil && r.Match.Skips(dir)
}

// Op is what happened to a path.
type Op string

// The operations. A file that was renamed is Removed there and Written here.
const (
	Written Op = "written"
	Removed Op = "removed"
	// Chmodded: only the mode changed.
	Chmodded Op = "chmod"
)

// Change is one changed path.
type Change struct {
	Path string
	Op   Op
	Dir  bool
}

// stamp is the recorded state of a path. A different stamp means that the path changed.
type stamp struct {
	mode    fs.FileMode
	size    int64
	mtime   time.Time
	changed int64 // ctime if available: it also changes on a rewrite that keeps size and mtime
	inode   uint64
}

func stampOf(info fs.FileInfo) stamp {
	s := stamp{mode: info.Mode(), size: info.Size(), mtime: info.ModTime()}
	if info.IsDir() { // what is in it has stamps of its own
		return stamp{mode: info.Mode()}
	}
	s.changed, s.inode = identity(info)
	return s
}

// granularity is the resolution of file times.
const granularity = 15 * time.Millisecond

// aged returns the stamp to record. A file that changed within granularity may change again with the same times, so its stamp is
// made to differ from the next one.
func (s stamp) aged() stamp {
	if s.changed != 0 && time.Since(time.Unix(0, s.changed)) < granularity {
		s.changed = -1
	}
	return s
}

// tracker holds the last reported state of the paths below the roots.
type tracker struct {
	roots []Root
	known map[string]stamp
}

func newTracker(roots []Root) *tracker { return &tracker{roots: roots, known: map[string]stamp{}} }

// wanted reports whether any root selects a path.
func (t *tracker) wanted(path string, dir bool) bool {
	return slices.ContainsFunc(t.roots, func(r Root) bool { return r.matches(path, dir) })
}

// entered reports whether a directory must be read.
func (t *tracker) entered(dir string) bool {
	return slices.ContainsFunc(t.roots, func(r Root) bool { return !r.skips(dir) })
}

// walk calls f with every existing selected path at and below top. Directories that no root selects are not read, symbolic links
// are not followed, and unreadable paths are skipped.
func (t *tracker) walk(top string, f func(path string, info fs.FileInfo)) {
	_ = filepath.WalkDir(top, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			if e != nil && e.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if e.IsDir() && !t.entered(path) {
			return fs.SkipDir
		}
		if !t.wanted(path, e.IsDir()) {
			return nil
		}
		if info, err := e.Info(); err == nil {
			f(path, info)
		}
		return nil
	})
}

// tops are the roots that are not within another one.
func (t *tracker) tops() []string {
	var out []string
	for i, r := range t.roots {
		inner := slices.ContainsFunc(t.roots, func(o Root) bool { _, in := below(o.Path, r.Path); return in && !o.skips(r.Path) })
		first := slices.IndexFunc(t.roots, func(o Root) bool { return o.Path == r.Path }) == i
		if !inner && first {
			out = append(out, r.Path)
		}
	}
	return out
}

// learn records the current state of all paths.
func (t *tracker) learn() {
	for _, top := range t.tops() {
		t.walk(top, func(path string, info fs.FileInfo) { t.known[path] = stampOf(info) })
	}
}

// suspects adds all existing and all recorded paths to touched, for when the changed paths are unknown.
func (t *tracker) suspects(touched map[string]bool) {
	for path := range t.known {
		touched[path] = true
	}
	for _, top := range t.tops() {
		t.walk(top, func(path string, _ fs.FileInfo) { touched[path] = true })
	}
}

// compare returns the changes of the touched paths, sorted by path, and records their new state. A path that was created and
// removed again is no change. The removal of a directory includes its contents.
func (t *tracker) compare(touched map[string]bool) []Change {
	var out []Change
	for path := range touched {
		info, err := os.Lstat(path)
		was, known := t.known[path]
		switch {
		case err != nil && known:
			out = append(out, t.forget(path, was)...)
		case err != nil:
		case known && was.mode.IsDir() && !info.IsDir():
			out = append(out, t.forget(path, was)[1:]...)
			fallthrough
		default:
			if !t.wanted(path, info.IsDir()) {
				continue
			}
			now := stampOf(info)
			if op, changed := difference(was, now, known); changed {
				out = append(out, Change{Path: path, Op: op, Dir: info.IsDir()})
			}
			t.known[path] = now.aged()
		}
	}
	slices.SortFunc(out, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	return slices.CompactFunc(out, func(a, b Change) bool { return a.Path == b.Path })
}

func difference(was, now stamp, known bool) (Op, bool) {
	switch {
	case !known:
		return Written, true
	case was == now:
		return "", false
	case was.mode != now.mode && was.mode.Type() == now.mode.Type() && was.size == now.size && was.mtime.Equal(now.mtime):
		return Chmodded, true
	}
	return Written, true
}

// forget removes a path and everything below it from the record.
func (t *tracker) forget(path string, was stamp) []Change {
	delete(t.known, path)
	out := []Change{{Path: path, Op: Removed, Dir: was.mode.IsDir()}}
	if !was.mode.IsDir() {
		return out
	}
	for p, s := range t.known {
		if _, in := below(path, p); in {
			delete(t.known, p)
			out = append(out, Change{Path: p, Op: Removed, Dir: s.mode.IsDir()})
		}
	}
	return out
}
