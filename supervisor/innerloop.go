package supervisor

import (
	"context"
	"encoding/json"
	"errors"
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

// innerLoop carries edits to the pods: it watches what the stack's develop.watch rules name, and what changes goes, batch
// by batch, into lanes.
//
//	files -> watch.Batch -> route -> a lane a workload: sync, restart, exec
//	                             \-> a lane a build: rebuild -> images pinned anew -> the controllers roll
//
// A lane does one thing at a time; what comes meanwhile is merged and is next, and a newer change cancels what it
// supersedes. Lanes work side by side and never wait for each other, so a failure in one drops nothing of another.
type innerLoop struct {
	s      *Supervisor
	memory *livesync.Memory
	shims  shimVolume
	files  *containerFiles

	// changed wakes run when another stack is wanted.
	changed chan struct{}

	mu       sync.Mutex
	stack    *services.Stack
	off      bool
	prepared time.Time
	routes   *routes
	lanes    map[string]*lane
	records  []LoopRecord
	wg       sync.WaitGroup
	// ctx ends with the supervisor; lanes live in it.
	ctx    context.Context
	cancel context.CancelFunc
}

// savedMemory is the file that keeps what was synced for the next supervisor of the instance.
const savedMemory = "synced.json"

func newInnerLoop(s *Supervisor) *innerLoop {
	l := &innerLoop{
		s: s, memory: livesync.NewMemory(), changed: make(chan struct{}, 1), routes: &routes{}, lanes: map[string]*lane{},
		prepared: time.Now(),
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.files = newContainerFiles(l)
	if b, err := os.ReadFile(s.cfg.Instance.File(savedMemory)); err == nil {
		if err := json.Unmarshal(b, l.memory); err != nil {
			s.log.Warn("cannot read what was synced before; restarted containers have what their images have", "error", err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("cannot read what was synced before", "error", err)
	}
	return l
}

// building notes that images are about to be made: they have every change of before.
func (l *innerLoop) building() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.prepared = time.Now()
}

// watchFiles turns the watching on or off, from the next stack on.
func (l *innerLoop) watchFiles(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.off = !on
}

// use takes over the wanted stack. Called by the loop before any pod of it is made.
func (l *innerLoop) use(stack *services.Stack) {
	l.mu.Lock()
	built := l.prepared
	l.stack = stack
	l.mu.Unlock()
	l.useImages(stack, built)
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// useImages tells the memory which image each watched container has, and since when such an image has what is on the disk.
func (l *innerLoop) useImages(stack *services.Stack, built time.Time) {
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

// remember writes down what was synced.
func (l *innerLoop) remember() {
	b, err := json.Marshal(l.memory)
	if err == nil {
		err = instance.WriteFile(l.s.cfg.Instance.File(savedMemory), b)
	}
	if err != nil {
		l.s.log.Warn("cannot remember what was synced", "error", err)
	}
}

// run watches until ctx ends, and then waits for the lanes.
func (l *innerLoop) run(ctx context.Context) error {
	defer func() {
		l.cancel()
		l.wg.Wait()
		l.files.close()
	}()
	var w watching
	defer func() { w.stop() }()
	states := l.s.store.Subscribe(ctx)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.changed:
			w = l.rewatch(ctx, w)
		case b := <-w.batches:
			l.dispatch(b)
		case s, ok := <-states:
			if ok {
				l.files.follow(s)
			}
		}
	}
}

// watching is a watcher that runs.
type watching struct {
	roots   []watch.Root
	rules   []ruled
	batches <-chan watch.Batch
	cancel  context.CancelFunc
	done    chan struct{}
}

func (w watching) stop() {
	if w.cancel != nil {
		w.cancel()
		<-w.done
	}
}

// rewatch watches what the stack's rules name now. Rules that are as they were go on undisturbed.
func (l *innerLoop) rewatch(ctx context.Context, old watching) watching {
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
		l.report("", "", errors.New("cannot watch for changes: "+err.Error()))
	}
	l.mu.Lock()
	l.routes = r
	l.mu.Unlock()
	if len(r.roots) == 0 {
		return watching{}
	}
	l.shims.prepare(l)
	w := watch.New(watch.Config{Roots: r.roots, Log: l.s.log, Warn: func(err error) { l.report("", "", err) }})
	ctx, cancel := context.WithCancel(ctx)
	next := watching{roots: r.roots, rules: rules, batches: w.Batches(), cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(next.done)
		if err := w.Run(ctx); err != nil {
			l.report("", "", err)
		}
	}()
	l.wg.Go(func() {
		select {
		case <-w.Ready():
			l.initialSync(ctx)
		case <-ctx.Done():
		}
	})
	return next
}

// dispatch hands what a batch means to the lanes that it concerns.
func (l *innerLoop) dispatch(b watch.Batch) {
	l.mu.Lock()
	r := l.routes
	l.mu.Unlock()
	tasks := r.route(b)
	for _, t := range tasks {
		l.record(t)
	}
	if len(tasks) > 0 {
		l.remember()
	}
	for _, t := range tasks {
		l.offer(t)
	}
}

// record notes files for containers that are made from now on, before anything else is done about them.
func (l *innerLoop) record(t *task) {
	for container, items := range t.sync {
		l.memory.Record(containerKey(t.workload, container), items, t.seen)
	}
}

// lane finds the lane of a name, or makes it.
func (l *innerLoop) lane(name string, run func(context.Context, *task) error) *lane {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lanes[name] == nil {
		l.lanes[name] = &lane{loop: l, name: name, do: run}
	}
	return l.lanes[name]
}

func (l *innerLoop) offer(t *task) {
	if t.build != "" {
		l.lane("build "+t.build, l.rebuild).offer(t)
		return
	}
	l.lane("workload "+t.workload, l.refresh).offer(t)
}

func (l *innerLoop) offerAll(tasks []*task) {
	for _, t := range tasks {
		l.offer(t)
	}
}

// report tells of a failure that people should know of: as an event, and in the log.
func (l *innerLoop) report(workload, reason string, err error) {
	if reason == "" {
		reason = "WatchFailed"
	}
	kind := "Workload"
	if workload == "" {
		kind, workload = "Stack", l.s.cfg.Instance.Name
	}
	l.s.log.Warn("inner loop", "workload", workload, "reason", reason, "error", err)
	l.s.event(kind, workload, corev1.EventTypeWarning, reason, "%v", err)
}

// podsOf are the pods of a workload that are to stay, as of the latest snapshot.
func (l *innerLoop) podsOf(workload string) []*corev1.Pod {
	return staying(l.s.store.Latest(), workload)
}

func staying(s *state.Snapshot, workload string) []*corev1.Pod {
	var out []*corev1.Pod
	for _, p := range s.PodsOf(workload) {
		if p.DeletionTimestamp == nil {
			out = append(out, p)
		}
	}
	return out
}
