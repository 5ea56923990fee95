package watch

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// Batch is what changed together.
type Batch struct {
	// Changes are in the order of their paths, one a path.
	Changes []Change
	// Seen is when the first of them was noticed, Complete when the last was, with the quiet after it.
	Seen, Complete time.Time
}

// Config says what to watch.
type Config struct {
	Roots []Root
	// Poll watches by looking again and again with this interval, instead of asking the system to tell. 0 is not to, unless
	// the system cannot tell.
	Poll time.Duration
	// Warn is told what the user should know, such as that the system's watches do not suffice. nil tells nobody.
	Warn func(error)
	Log  *slog.Logger
}

// Watcher tells what changes below its roots. It never writes below them.
type Watcher struct {
	cfg     Config
	tracker *tracker
	open    func() (source, error)
	out     chan Batch
	ready   chan struct{}

	debounce debounce
	touched  map[string]bool
	// held are files that were still being written when their batch could not wait for them any longer.
	held map[string]holding
	// postponed is when a batch that waits for such files is looked at again.
	postponed time.Time
	// missing: a root is not there; it is looked for.
	missing bool
}

// New makes a watcher that does not run yet.
func New(cfg Config) *Watcher {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Warn == nil {
		cfg.Warn = func(error) {}
	}
	w := &Watcher{
		cfg: cfg, tracker: newTracker(cfg.Roots), out: make(chan Batch), ready: make(chan struct{}),
		touched: map[string]bool{}, held: map[string]holding{},
	}
	w.open = w.source
	return w
}

// Batches delivers what changed. While nobody takes it, what changes further joins the same batch, so nothing is lost
// and nothing piles up. The channel never closes.
func (w *Watcher) Batches() <-chan Batch { return w.out }

// Ready closes when Run knows how everything is: whatever changes afterwards is told of.
func (w *Watcher) Ready() <-chan struct{} { return w.ready }

// source is where news comes from.
type source interface {
	// add watches a directory, also one that is watched already.
	add(dir string) error
	events() <-chan event
	close() error
}

// event is news of one path; everything says that anything may have changed.
type event struct {
	path       string
	everything bool
	err        error
}

// missingInterval is how often a root that is not there is looked for.
const missingInterval = time.Second

// Run watches until ctx ends, and returns nil then. If the system's watches do not suffice it says so by Config.Warn and
// goes on by polling.
func (w *Watcher) Run(ctx context.Context) error {
	src, err := w.open()
	if err != nil {
		return err
	}
	defer func() { _ = src.close() }()
	w.tracker.learn()
	close(w.ready)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	look := time.NewTicker(missingInterval)
	defer look.Stop()
	var ready *Batch
	for {
		var out chan Batch
		var batch Batch
		if ready != nil {
			out, batch = w.out, *ready
		}
		timer.Reset(w.wait())
		select {
		case <-ctx.Done():
			return nil
		case e := <-src.events():
			src = w.news(src, e)
		case out <- batch:
			ready = nil
		case <-look.C:
			w.lookForMissing(src)
		case <-timer.C:
			ready = w.complete(ready)
		}
	}
}

// source asks the system to tell, or, where that cannot be, polls.
func (w *Watcher) source() (source, error) {
	if w.cfg.Poll > 0 {
		return newPoller(w.tracker.walkAll, w.cfg.Poll), nil
	}
	n, err := newNotifier()
	if err == nil {
		if err = w.addAll(n); err == nil {
			return n, nil
		}
		_ = n.close()
	}
	return w.fallBack(err)
}

// defaultPoll is how often a tree is looked at when the system cannot tell.
const defaultPoll = 300 * time.Millisecond

func (w *Watcher) fallBack(err error) (source, error) {
	var limit *LimitError
	if !errors.As(err, &limit) {
		return nil, err
	}
	w.cfg.Warn(err)
	return newPoller(w.tracker.walkAll, defaultPoll), nil
}

// addAll watches all directories that are wanted.
func (w *Watcher) addAll(src source) error {
	w.missing = false
	for _, top := range w.tracker.tops() {
		if err := w.addTree(src, top, nil); err != nil {
			return err
		}
	}
	return nil
}

// addTree watches a directory and those in it before they are read, so that nothing made meanwhile is missed; found is
// called with what is there. Of a root that is a file its directory is watched, since saving may replace the file.
func (w *Watcher) addTree(src source, top string, found func(path string)) error {
	info, err := os.Lstat(top)
	if errors.Is(err, fs.ErrNotExist) {
		w.missing = true
		return nil
	}
	if err != nil {
		w.cfg.Log.Warn("cannot watch", "path", top, "error", err)
		return nil
	}
	if !info.IsDir() {
		return src.add(filepath.Dir(top))
	}
	if !w.tracker.entered(top) {
		return nil
	}
	if err := src.add(top); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	entries, err := os.ReadDir(top)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		path := filepath.Join(top, e.Name())
		if found != nil {
			found(path)
		}
		if !e.IsDir() {
			continue
		}
		if err := w.addTree(src, path, found); err != nil {
			return err
		}
	}
	return nil
}

// news takes an event in. It returns the source to go on with: another one when the system's watches gave out.
func (w *Watcher) news(src source, e event) source {
	now := time.Now()
	switch {
	case e.err != nil:
		w.cfg.Log.Warn("cannot watch", "error", e.err)
		return src
	case e.everything:
		w.cfg.Log.Debug("changes came faster than they could be read; looking at everything")
		w.tracker.suspects(w.touched)
		w.debounce.change(now)
		return w.heed(src, w.addAll(src))
	}
	info, err := os.Lstat(e.path)
	dir := err == nil && info.IsDir()
	if _, known := w.tracker.known[e.path]; !known && !w.tracker.wanted(e.path, dir) && !(dir && w.tracker.entered(e.path)) {
		return src
	}
	w.touched[e.path] = true
	w.debounce.change(now)
	if !dir {
		return src
	}
	if s, known := w.tracker.known[e.path]; known && s.mode.IsDir() {
		if _, polled := src.(*poller); polled {
			return src
		}
	}
	return w.heed(src, w.addTree(src, e.path, func(path string) { w.touched[path] = true }))
}

// heed changes over to polling when a directory cannot be watched any more.
func (w *Watcher) heed(src source, err error) source {
	if err == nil {
		return src
	}
	next, err := w.fallBack(err)
	if err != nil {
		w.cfg.Log.Warn("cannot watch", "error", err)
		return src
	}
	_ = src.close()
	w.tracker.suspects(w.touched)
	return next
}

func (w *Watcher) lookForMissing(src source) {
	if !w.missing {
		return
	}
	w.missing = false
	for _, top := range w.tracker.tops() {
		if _, known := w.tracker.known[top]; known {
			if _, err := os.Lstat(top); err == nil {
				continue
			}
		}
		touch := func(path string) {
			w.touched[path] = true
			w.debounce.change(time.Now())
		}
		if _, err := os.Lstat(top); w.addTree(src, top, touch) == nil && err == nil {
			touch(top)
		}
	}
}

// wait is how long nothing need be done.
func (w *Watcher) wait() time.Duration {
	due := w.debounce.due()
	if w.postponed.After(due) && !due.IsZero() {
		due = w.postponed
	}
	if len(w.held) > 0 {
		if at := time.Now().Add(settleGap); due.IsZero() || at.Before(due) {
			due = at
		}
	}
	if due.IsZero() {
		return time.Hour
	}
	return max(time.Until(due), 0)
}

// complete makes a batch of what was touched, if it is due, and joins it to one that nobody has taken yet.
func (w *Watcher) complete(former *Batch) *Batch {
	now := time.Now()
	w.release(now)
	due := w.debounce.due()
	if due.IsZero() || now.Before(due) || now.Before(w.postponed) || w.unsettled(now, due) {
		return former
	}
	seen := w.debounce.take()
	changes := w.tracker.compare(w.touched)
	clear(w.touched)
	for _, c := range changes {
		if c.Op == Removed && w.isRoot(c.Path) {
			w.missing = true
		}
	}
	if len(changes) == 0 {
		return former
	}
	return join(former, &Batch{Changes: changes, Seen: seen, Complete: now})
}

func (w *Watcher) isRoot(path string) bool {
	for _, r := range w.cfg.Roots {
		if r.Path == path {
			return true
		}
	}
	return false
}

// join puts two batches together; the later one's word on a path counts.
func join(a, b *Batch) *Batch {
	if a == nil {
		return b
	}
	later := map[string]bool{}
	for _, c := range b.Changes {
		later[c.Path] = true
	}
	out := &Batch{Seen: a.Seen, Complete: b.Complete}
	i := 0
	for _, c := range b.Changes {
		for ; i < len(a.Changes) && a.Changes[i].Path < c.Path; i++ {
			out.Changes = append(out.Changes, a.Changes[i])
		}
		if i < len(a.Changes) && a.Changes[i].Path == c.Path {
			i++
		}
		out.Changes = append(out.Changes, c)
	}
	out.Changes = append(out.Changes, a.Changes[i:]...)
	return out
}
