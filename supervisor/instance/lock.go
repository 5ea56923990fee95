package instance

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/gofrs/flock"
)

// ErrHeld says that another supervisor looks after the instance.
var ErrHeld = errors.New("another supervisor is running")

// ErrLost says that the lock's file was deleted or replaced, so that another supervisor can hold the instance too.
var ErrLost = errors.New("this supervisor's lock is gone")

// Lock makes a process the only supervisor of an instance until it is released or the process ends, however it ends.
type Lock struct {
	instance *Instance
	file     *flock.Flock
	held     os.FileInfo
}

// Lock takes the instance's lock without waiting. ErrHeld, with the holder's process ID in the text, says that there is a
// supervisor.
func (i *Instance) Lock() (*Lock, error) {
	for {
		l, err := i.tryLock()
		if err != nil {
			return nil, err
		}
		if l.Check() == nil {
			_ = os.WriteFile(i.File("pid"), fmt.Appendf(nil, "%d\n", os.Getpid()), 0o600) // only for messages: the lock is what counts
			return l, nil
		}
		l.Release() // the directory was deleted between the opening of the file and its locking
	}
}

func (i *Instance) tryLock() (*Lock, error) {
	if err := os.MkdirAll(i.Home(), 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the instance's directory: %w", err)
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

// Release gives the instance free. The files stay.
func (l *Lock) Release() { _ = l.file.Unlock() }

// Check says whether the lock still keeps others out: the file at its path is the one that is locked. The error is ErrLost if
// it was deleted or replaced, by itself or with its directory.
func (l *Lock) Check() error {
	now, err := os.Stat(l.file.Path())
	if err == nil && os.SameFile(now, l.held) {
		return nil
	}
	why := "another file is in its place"
	if err != nil {
		why = err.Error()
	}
	return fmt.Errorf("cannot go on looking after %s: %w (%s); what runs is left for the supervisor that `lyandev up` starts",
		l.instance.Name, ErrLost, why)
}

// Holder is the process that took the lock last, 0 if that is not known. It may have ended since.
func (i *Instance) Holder() int {
	pid, _ := strconv.Atoi(i.holder())
	return pid
}

func (i *Instance) holder() string {
	pid, _ := os.ReadFile(i.File("pid"))
	return strings.TrimSpace(string(pid))
}
