package watch

import (
	"os"
	"time"
)

// holding is the wait for a file that is being written.
type holding struct {
	since, changed time.Time
	was            stamp
}

// maxAsked bounds the files of a batch that are looked at for being written: of a checkout of thousands none is slow.
const maxAsked = 500

// unsettled says that a batch due at the given time waits a moment more because a file in it is being written, and holds
// back those that are when it has waited long enough.
func (w *Watcher) unsettled(now, due time.Time) bool {
	if len(w.touched) > maxAsked {
		return false
	}
	var writing []string
	for path := range w.touched {
		if w.unfinished(path) {
			writing = append(writing, path)
		}
	}
	if len(writing) > 0 && now.Sub(due) < settleWait {
		w.postponed = now.Add(settleGap)
		return true
	}
	for _, path := range writing {
		if now.Sub(w.lastChange(path)) > settleWait {
			continue // open, but nobody writes
		}
		delete(w.touched, path)
		w.held[path] = holding{since: now, changed: now, was: w.stampNow(path)}
	}
	return false
}

// release gives back held files that can go.
func (w *Watcher) release(now time.Time) {
	for path, h := range w.held {
		s := w.stampNow(path)
		switch {
		case !w.unfinished(path), now.Sub(h.changed) > settleWait, now.Sub(h.since) > settleLimit:
			delete(w.held, path)
			w.touched[path] = true
			w.debounce.change(now)
		case s != h.was:
			w.held[path] = holding{since: h.since, changed: now, was: s}
			delete(w.touched, path)
		default:
			delete(w.touched, path)
		}
	}
}

// unfinished says that a file is open for writing.
func (w *Watcher) unfinished(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().IsRegular() && w.tracker.wanted(path, false) && beingWritten(path)
}

func (w *Watcher) stampNow(path string) stamp {
	info, err := os.Lstat(path)
	if err != nil {
		return stamp{}
	}
	return stampOf(info)
}

func (w *Watcher) lastChange(path string) time.Time {
	info, err := os.Lstat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
