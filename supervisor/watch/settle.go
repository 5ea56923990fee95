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

// maxAsked is the largest batch whose files are checked for being written. Larger ones, such as a checkout, are not checked.
const maxAsked = 500

// unsettled reports whether a batch due at the given time must wait because a file in it is being written. After the maximum
// wait it removes these files from the batch and puts them into held.
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
			continue // open, but not being written to
		}
		delete(w.touched, path)
		w.held[path] = holding{since: now, changed: now, was: w.stampNow(path)}
	}
	return false
}

// release returns the held files that are complete to the next batch.
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

// unfinished reports whether a file is open for writing.
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
