// Package innerloop carries edits of source files to the running pods. It watches the paths of the stack's develop.watch
// rules; each batch of changes becomes tasks, and each task goes to a lane.
//
//	files -> watch.Batch -> route -> one lane per workload: sync, restart, exec
//	                             \-> one lane per build: rebuild -> new image ID in the stack -> the controllers roll
//
// A lane works on one task at a time. Tasks that arrive meanwhile are merged into the next one, and a newer change cancels
// the task that it supersedes. Lanes run side by side and do not wait for each other.
package innerloop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/livesync"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/watch"
)

// Loop is the inner loop of one instance. Its methods may be called from any goroutine, also before Run.
type Loop struct {
	cfg    Config
	memory *livesync.Memory
	shims  shimVolume
	files  *containerFiles

	// changed wakes Run when another stack is wanted.
	changed chan struct{}

	mu    sync.Mutex
	stack *services.Stack
	// off: files are not watched.
	off bool
	// built is when the builds of the next stack began.
	built   time.Time
	routes  *routes
	lanes   map[string]*lane
	records []Record
	// failed are the last edits that failed, by workload or build.
	failed map[string]failure
	// ctx ends with Run, and the goroutines of wg with it. wg grows only under mu and while ctx has not ended.
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// savedMemory is the file of the instance that keeps what was synced.
const savedMemory = "synced.json"

// New makes a loop that does not run yet, and reads what the former supervisor of the instance had synced.
func New(cfg Config) *Loop {
	if cfg.Watch == nil {
		cfg.Watch = func(c watch.Config) Watcher { return watch.New(c) }
	}
	l := &Loop{
		cfg: cfg, memory: livesync.NewMemory(), changed: make(chan struct{}, 1), routes: &routes{}, lanes: map[string]*lane{},
		failed: map[string]failure{},
		built:  time.Now(),
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.files = newContainerFiles(l)
	l.loadState()
	return l
}

// SetPods says how to act on pods, where that is known only after New: the pods' workers call Wrap and BeforeStart. It is
// called before Run.
func (l *Loop) SetPods(p Pods) { l.cfg.Pods = p }

func (l *Loop) loadState() {
	b, err := os.ReadFile(l.cfg.Instance.File(savedMemory))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		err = json.Unmarshal(b, l.memory)
	}
	if err != nil {
		l.cfg.Log.Warn("cannot read what was synced before; restarted containers have only their images' files", "error", err)
	}
}

// saveState writes what was synced.
func (l *Loop) saveState() {
	b, err := json.Marshal(l.memory)
	if err == nil {
		err = instance.WriteFile(l.cfg.Instance.File(savedMemory), b)
	}
	if err != nil {
		l.cfg.Log.Warn("cannot save what was synced", "error", err)
	}
}

// BuildsBegin notes that the builds of the next stack begin: their images contain every change made before.
func (l *Loop) BuildsBegin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.built = time.Now()
	clear(l.failed) // the next stack replaces what is not up to date
}

// WatchFiles turns the watching on (the default) or off. It takes effect with the next Use.
func (l *Loop) WatchFiles(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.off = !on
}

// Use takes over the wanted stack. It must be called before any pod of the stack is made.
func (l *Loop) Use(stack *services.Stack) {
	l.mu.Lock()
	built := l.built
	l.stack = stack
	l.mu.Unlock()
	l.UseImages(stack, built)
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// UseImages notes which image each watched container has. built is when the builds of new ones began: changes made before
// are in the images, where they are part of the build's context.
func (l *Loop) UseImages(stack *services.Stack, built time.Time) {
	known := map[string]bool{}
	for _, x := range stack.Workloads {
		for _, c := range x.PodSpec().Containers {
			if !hasRules(x, c.Name) {
				continue
			}
			key := containerKey(x.Name(), c.Name)
			known[key] = true
			context := ""
			if b := buildOf(stack, x, c.Name); b != nil {
				context = b.Context
			}
			l.memory.Use(key, c.Image, built, func(source string) bool { return context != "" && within(context, source) })
		}
	}
	l.memory.Forget(func(key string) bool { return known[key] })
}

// start runs f in a goroutine that Run waits for. It returns false, and runs nothing, when Run has ended.
func (l *Loop) start(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return false
	}
	l.wg.Go(f)
	return true
}

// Run watches until ctx ends, and then waits for what it has started. It returns nil.
func (l *Loop) Run(ctx context.Context) error {
	var w watching
	defer func() {
		w.stop()
		l.stop()
	}()
	statuses := l.cfg.Statuses.Subscribe(ctx)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.changed:
			w = l.rewatch(ctx, w)
		case b := <-w.batches:
			l.dispatch(b)
		case s, ok := <-statuses:
			if ok {
				l.files.follow(s)
			}
		}
	}
}

// stop ends the lanes and the channels into containers.
func (l *Loop) stop() {
	l.mu.Lock()
	l.cancel()
	l.mu.Unlock()
	l.wg.Wait()
	l.files.close()
}

// watching is a running watcher with the rules that it was made from.
type watching struct {
	rules   []ruled
	batches <-chan watch.Batch
	cancel  context.CancelFunc
	done    chan struct{}
}

// stop ends the watcher and waits for its end.
func (w watching) stop() {
	if w.cancel != nil {
		w.cancel()
		<-w.done
	}
}

// rewatch watches the paths of the present stack's rules. If the rules are the same as before, the watcher goes on.
func (l *Loop) rewatch(ctx context.Context, old watching) watching {
	l.mu.Lock()
	stack, off := l.stack, l.off
	l.mu.Unlock()
	var rules []ruled
	if !off {
		rules = rulesOf(stack)
	}
	if old.batches != nil && reflect.DeepEqual(rules, old.rules) {
		return old
	}
	old.stop()
	r, err := newRoutes(rules)
	if err != nil {
		l.report("", "", fmt.Errorf("cannot watch for changes: %w", err))
	}
	l.mu.Lock()
	l.routes = r
	l.mu.Unlock()
	if len(r.roots) == 0 {
		return watching{}
	}
	switch {
	case needsShim(stack):
		l.prepareVolume() // also makes the image
	case needsBeside(stack):
		l.prepareImage()
	}
	w := l.cfg.Watch(watch.Config{Roots: r.roots, Log: l.cfg.Log, Warn: func(err error) { l.report("", "", err) }})
	ctx, cancel := context.WithCancel(ctx)
	next := watching{rules: rules, batches: w.Batches(), cancel: cancel, done: make(chan struct{})}
	go func() { // watching.stop waits for it
		defer close(next.done)
		if err := w.Run(ctx); err != nil {
			l.report("", "", err)
		}
	}()
	l.start(func() {
		select {
		case <-w.Ready():
			l.initialSync(ctx)
		case <-ctx.Done():
		}
	})
	return next
}

// dispatch gives the tasks of a batch to their lanes. The files are recorded and saved first: containers made from now on
// need them too.
func (l *Loop) dispatch(b watch.Batch) {
	l.mu.Lock()
	r := l.routes
	l.mu.Unlock()
	tasks := r.route(b)
	for _, t := range tasks {
		l.recordFiles(t)
	}
	if len(tasks) > 0 {
		l.saveState()
	}
	l.offerAll(tasks)
}

// recordFiles notes the files of a task for containers that are made later.
func (l *Loop) recordFiles(t *task) {
	for container, items := range t.sync {
		l.memory.Record(containerKey(t.workload, container), items, t.seen)
	}
}

// lane finds or makes the lane of a name.
func (l *Loop) lane(name string, run func(context.Context, *task) error) *lane {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lanes[name] == nil {
		l.lanes[name] = &lane{loop: l, name: name, run: run}
	}
	return l.lanes[name]
}

func (l *Loop) offer(t *task) {
	if t.build != "" {
		l.lane("build "+t.build, l.rebuild).offer(t)
		return
	}
	l.lane("workload "+t.workload, l.refresh).offer(t)
}

func (l *Loop) offerAll(tasks []*task) {
	for _, t := range tasks {
		l.offer(t)
	}
}

// report records a failure as an event of the workload ("" is the stack) and in the log. The reason "" is WatchFailed.
func (l *Loop) report(workload, reason string, err error) {
	if reason == "" {
		reason = "WatchFailed"
	}
	kind := "Workload"
	if workload == "" {
		kind, workload = "Stack", l.cfg.Instance.Name
	}
	l.cfg.Log.Warn("inner loop", "workload", workload, "reason", reason, "error", err)
	l.cfg.Event(kind, workload, corev1.EventTypeWarning, reason, err.Error())
}

// podsOf returns the pods of a workload, as of the latest status, without those that are being deleted.
func (l *Loop) podsOf(workload string) []*corev1.Pod {
	return staying(l.cfg.Statuses.Latest(), workload)
}

func staying(s *state.Status, workload string) []*corev1.Pod {
	var out []*corev1.Pod
	for _, p := range s.PodsOf(workload) {
		if p.DeletionTimestamp == nil {
			out = append(out, p)
		}
	}
	return out
}
