package watch

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"

	"github.com/fsnotify/fsnotify"
)

// LimitError means that the system's limit of watches is exhausted.
type LimitError struct {
	// Path is the path that could not be watched, "" if no watch could be created at all.
	Path string
	// Setting is the name of the limit, Value its current value ("" if unknown).
	Setting, Value string
	Err            error
}

func (e *LimitError) Error() string {
	what := "cannot watch for changes"
	if e.Path != "" {
		what = "cannot watch " + e.Path
	}
	now := ""
	if e.Value != "" {
		now = " (now " + e.Value + ")"
	}
	if e.Setting == "" {
		return fmt.Sprintf("%s: %v; polling the files instead, which is slower", what, e.Err)
	}
	return fmt.Sprintf("%s: the limit %s%s is exhausted: %v; raise it with `sudo sysctl %s=%s`, or ignore more directories; "+
		"until then the files are polled, which is slower", what, e.Setting, now, e.Err, e.Setting, raised(e.Setting))
}

func (e *LimitError) Unwrap() error { return e.Err }

const (
	watchesSetting   = "fs.inotify.max_user_watches"
	instancesSetting = "fs.inotify.max_user_instances"
)

func raised(setting string) string {
	if setting == instancesSetting {
		return "1024"
	}
	return "1048576"
}

// limitError converts ENOSPC (limit of watches) and EMFILE (limit of instances or, on systems without that setting, of open
// files) to a LimitError.
func limitError(path string, err error) error {
	e := &LimitError{Path: path, Err: err}
	switch {
	case errors.Is(err, syscall.ENOSPC):
		e.Setting = watchesSetting
	case errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE):
		e.Setting = instancesSetting
	default:
		return fmt.Errorf("cannot watch %s: %w", path, err)
	}
	if runtime.GOOS != "linux" {
		e.Setting = ""
		return e
	}
	if b, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(e.Setting, ".", "/")); err == nil {
		e.Value = strings.TrimSpace(string(b))
	}
	return e
}

// notifier is the source that uses the system's notifications.
type notifier struct {
	fs   *fsnotify.Watcher
	out  chan event
	stop chan struct{}
	done chan struct{}
}

// queued is the capacity of the queue between the system's own queue (16,384 events on Linux) and the watcher.
const queued = 8192

func newNotifier() (*notifier, error) {
	fs, err := fsnotify.NewBufferedWatcher(queued)
	if err != nil {
		return nil, limitError("", err)
	}
	n := &notifier{fs: fs, out: make(chan event, queued), stop: make(chan struct{}), done: make(chan struct{})}
	go n.pass()
	return n, nil
}

// pass converts and forwards the system's events until close.
func (n *notifier) pass() {
	defer close(n.done)
	for {
		var e event
		select {
		case <-n.stop:
			return
		case f, ok := <-n.fs.Events:
			if !ok {
				return
			}
			e.path = f.Name
		case err, ok := <-n.fs.Errors:
			if !ok {
				return
			}
			e.everything, e.err = errors.Is(err, fsnotify.ErrEventOverflow), err
			if e.everything {
				e.err = nil
			}
		}
		select {
		case n.out <- e:
		case <-n.stop:
			return
		}
	}
}

func (n *notifier) add(dir string) error {
	if err := n.fs.Add(dir); err != nil {
		return limitError(dir, err)
	}
	return nil
}

func (n *notifier) events() <-chan event { return n.out }

func (n *notifier) close() error {
	close(n.stop)
	err := n.fs.Close()
	<-n.done
	return err
}
