package throwaway

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// homePrefix is the name prefix of the copies' state directories.
const homePrefix = "lyandev-test-"

// newHome creates a state directory, which is locked while its process runs, and removes those of killed processes.
func newHome(parent string) (dir string, release func(), err error) {
	old, err := filepath.Glob(filepath.Join(parent, homePrefix+"*"))
	if err != nil {
		return "", nil, fmt.Errorf("cannot look for old state directories: %w", err)
	}
	for _, d := range old {
		removeIfDead(d)
	}
	dir, err = os.MkdirTemp(parent, homePrefix)
	if err != nil {
		return "", nil, fmt.Errorf("cannot make a state directory: %w", err)
	}
	l := lockOf(dir)
	if _, err := l.TryLock(); err != nil {
		return "", nil, fmt.Errorf("cannot lock the state directory: %w", err)
	}
	return dir, func() { _ = l.Unlock() }, nil
}

// lockOf returns the lock of a state directory.
func lockOf(dir string) *flock.Flock { return flock.New(filepath.Join(dir, ".lock")) }

// removeIfDead removes a state directory that is not locked. It skips directories without a lock file, which may be in creation.
func removeIfDead(dir string) {
	if _, err := os.Stat(lockOf(dir).Path()); err != nil {
		return
	}
	l := lockOf(dir)
	if ok, err := l.TryLock(); err == nil && ok {
		_ = os.RemoveAll(dir) // on errors the next run tries again
		_ = l.Unlock()
	}
}

// leaveHome removes the state directory.
func (c *Copy) leaveHome() error {
	if c.home == "" {
		return nil
	}
	err := os.RemoveAll(c.home)
	c.release()
	return err
}
