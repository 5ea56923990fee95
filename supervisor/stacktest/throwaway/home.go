package throwaway

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// homePrefix begins the names of state directories of copies.
const homePrefix = "lyandev-test-"

// newHome makes a state directory that is locked while its process lives, and removes those whose process was killed.
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

// lockOf is the lock of a state directory.
func lockOf(dir string) *flock.Flock { return flock.New(filepath.Join(dir, ".lock")) }

// removeIfDead removes a state directory that nobody has locked. One without a lock file may just be being made.
func removeIfDead(dir string) {
	if _, err := os.Stat(lockOf(dir).Path()); err != nil {
		return
	}
	l := lockOf(dir)
	if ok, err := l.TryLock(); err == nil && ok {
		_ = os.RemoveAll(dir) // what cannot be removed is tried again by the next
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
