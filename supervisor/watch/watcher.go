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

// Batch is a set of changes that belong together.
type Batch struct {
	// Changes are sorted by path, one per path.
	Changes []Change
	// Seen is when the first change was noticed, Complete when the quiet period after the last one was over.
	Seen, Complete time.Time
}

// Config configures a Watcher.
type Config struct {
	Roots []Root
	// Poll is the polling interval. 0 uses the system's notifications, and polling only if these do not work.
	Poll time.Duration
	// Warn receives warnings for the user, such as an exhausted limit of watches. nil discards them.
	Warn func(error)
	Log  *slog.Logger
}

// Watcher reports changes below its roots. It never writes there.
type Watcher struct {
	cfg     Config
	tracker *tracker
	open    func() (source, error)
	out     chan Batch
	ready   chan struct{}

	debounce debounce
	touched  map[string]bool
	// held are files that were still being written when their batch was sent without them.
	held map[string]holding
	// postponed is when to check again a batch that waits for files being written.
	postponed time.Time
	// missing: a root does not exist and is polled for.
	missing bool
}

// New returns a Watcher; Run starts it.
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

// Batches delivers the changes. Changes that follow before a batch is received are added to it, so none is lost. The channel is
// never closed.
func (w *Watcher) Batches() <-chan Batch { return w.out }

// Ready returns a channel that is closed when Run has recorded the initial state. All later changes are reported.
func (w *Watcher) Ready() <-chan struct{} { return w.ready }

// source is a source of events.
type source interface {
	// add watches a directory. Watching it twice is no error.
	add(dir string) error
	events() <-chan event
	close() error
}

// event reports that a path may have changed, or with everything set that any path may have.
type event struct {
	path       string
	everything bool
	err        error
}

// missingInterval is the polling interval for roots that do not exist.
const missingInterval = time.Second

// Run watches until ctx ends, and then returns nil. If the system's notifications fail it reports that to Config.Warn and
// continues by polling.
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

// source returns a notifier, or a poller if notifications are not available.
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

// defaultPoll is the polling interval if the system's notifications do not work.
const defaultPoll = 300 * time.Millisecond

func (w *Watcher) fallBack(err error) (source, error) {
	var limit *LimitError
	if !errors.As(err, &limit) {
		return nil, err
	}
	w.cfg.Warn(err)
	return newPoller(w.tracker.walkAll, defaultPoll), nil
}

// addAll watches all directories below the roots.
func (w *Watcher) addAll(src source) error {
	w.missing = false
	for _, top := range w.tracker.tops() {
		if err := w.addTree(src, top, nil); err != nil {
			return err
		}
	}
	return nil
}

// addTree watches a directory and its subdirectories, each before it is read, so that nothing created meanwhile is missed. found
// is called with every path. For a root that is a file it watches its directory, because saving may replace the file.
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

// news handles an event. It returns the source to continue with, which is a poller if the system's notifications failed.
func (w *Watcher) news(src source, e event) source {
	now := time.Now()
	switch {
	case e.err != nil:
		w.cfg.Log.Warn("cannot watch", "error", e.err)
		return src
	case e.everything:
		w.cfg.Log.Debug("the event queue overflowed; scanning all files")
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

// heed switches to polling if a directory cannot be watched.
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

// wait returns the time until the next action.
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

// complete turns the touched paths into a batch, if it is due, and merges it with a batch that was not received yet.
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

// join merges two batches. For a path in both, the later change wins.
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
