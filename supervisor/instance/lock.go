package instance

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/gofrs/flock"
)

// ErrHeld means that another supervisor is running for the instance.
var ErrHeld = errors.New("another supervisor is running")

// ErrLost means that the lock file was deleted or replaced, so another supervisor could start for the same instance.
var ErrLost = errors.New("this supervisor has lost its lock")

// Lock is the instance's lock. It is held until Release or the end of the process.
type Lock struct {
	instance *Instance
	file     *flock.Flock
	held     os.FileInfo
}

// Lock takes the instance's lock without blocking. The error is ErrHeld if another process holds it; its text has the
// holder's process ID.
func (i *Instance) Lock() (*Lock, error) {
	for {
		l, err := i.tryLock()
		if err != nil {
			return nil, err
		}
		if l.Check() == nil {
			_ = os.WriteFile(i.File("pid"), fmt.Appendf(nil, "%d\n", os.Getpid()), 0o600) // only for messages
			return l, nil
		}
		l.Release() // the directory was deleted between opening and locking the file
	}
}

func (i *Instance) tryLock() (*Lock, error) {
	if err := os.MkdirAll(i.Home(), 0o700); err != nil {
		return nil, fmt.Errorf("cannot create the instance's directory: %w", err)
	}
	f := flock.New(i.File("lock"), flock.SetPermissions(0o600))
	ok, err := f.TryLock()
	if err != nil {
		return nil, fmt.Errorf("cannot lock %s: %w", f.Path(), err)
	}
	if !ok {
		return nil, fmt.Errorf("%w for %s (process %s)", ErrHeld, i.Name, i.holder())
	}
	held, err := f.Stat()
	if err != nil {
		_ = f.Unlock()
		return nil, fmt.Errorf("cannot read the lock %s: %w", f.Path(), err)
	}
	return &Lock{instance: i, file: f, held: held}, nil
}

// Release releases the lock. The files stay.
func (l *Lock) Release() { _ = l.file.Unlock() }

// Check returns ErrLost if the file at the lock's path is no longer the locked file: it, or its directory, was deleted or
// replaced.
func (l *Lock) Check() error {
	now, err := os.Stat(l.file.Path())
	if err == nil && os.SameFile(now, l.held) {
		return nil
	}
	why := "it was replaced by another file"
	if err != nil {
		why = err.Error()
	}
	return fmt.Errorf("cannot continue supervising %s: %w (%s); the containers keep running, `lyandev up` starts a new supervisor for them",
		l.instance.Name, ErrLost, why)
}

// Holder returns the ID of the process that took the lock last, 0 if unknown. The process may have ended.
func (i *Instance) Holder() int {
	pid, _ := strconv.Atoi(i.holder())
	return pid
}

func (i *Instance) holder() string {
	pid, _ := os.ReadFile(i.File("pid"))
	return strings.TrimSpace(string(pid))
}
