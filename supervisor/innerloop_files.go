package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/livesync"
	"github.com/lyandev/lyandev/supervisor/shim"
	"github.com/lyandev/lyandev/supervisor/state"
)

// containerFiles keeps the channels into running containers, and how far each container's files are.
type containerFiles struct {
	l *innerLoop
	// before is what a former supervisor had synced: containers that it left have that.
	before *livesync.Memory

	mu sync.Mutex
	// laid is up to which number of the memory a container has its files, by ID; tried is the last attempt.
	laid     map[string]uint64
	tried    map[string]attempt
	channels map[string]*opening
	closed   bool
}

// attempt is one to bring a container's files up to a number.
type attempt struct {
	seq uint64
	at  time.Time
}

// retryAfter is how long after a failed attempt the same files are brought again without a new change.
const retryAfter = 5 * time.Second

// opening is a channel that is there, or will be when done closes.
type opening struct {
	done chan struct{}
	ch   *livesync.Channel
	err  error
}

func newContainerFiles(l *innerLoop) *containerFiles {
	return &containerFiles{
		l: l, before: livesync.NewMemory(), laid: map[string]uint64{}, tried: map[string]attempt{}, channels: map[string]*opening{},
	}
}

// target is one running container of a workload.
type target struct {
	pod       *corev1.Pod
	container string
	id, image string
}

func (t target) key() string { return containerKey(t.pod.Labels[services.WorkloadLabel], t.container) }

// targetOf finds a container of a pod; running is false while it does not run.
func targetOf(p *corev1.Pod, container string) (t target, running bool) {
	t = target{pod: p, container: container}
	for _, c := range p.Spec.Containers {
		if c.Name == container {
			t.image = c.Image
		}
	}
	for _, s := range p.Status.ContainerStatuses {
		if s.Name == container && s.State.Running != nil && s.ContainerID != "" {
			t.id = s.ContainerID
			return t, true
		}
	}
	return t, false
}

// beforeStart lays what was synced into a container that is about to start. A file that cannot be laid is reported, and
// the container starts with its image's.
func (f *containerFiles) beforeStart(ctx context.Context, id string, p *corev1.Pod, container string) error {
	t, _ := targetOf(p, container)
	items, seq := f.l.memory.Since(t.key(), t.image, 0)
	if len(items) > 0 {
		if err := f.lay(ctx, id, items); err != nil {
			f.l.report(p.Labels[services.WorkloadLabel], "FailedSync",
				fmt.Errorf("pod %s starts without the files that were synced since its image was built: %w", p.Name, err))
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.laid[id] = seq
	return nil
}

func (f *containerFiles) lay(ctx context.Context, id string, items []livesync.Item) error {
	c, ok := f.l.s.cfg.Engine.(livesync.Copier)
	if !ok {
		return fmt.Errorf("cannot lay files into a container that does not run: %w", engine.ErrUnsupported)
	}
	return livesync.Lay(ctx, c, id, items)
}

// due are the files that a container lacks.
func (f *containerFiles) due(t target) (items []livesync.Item, seq uint64) {
	f.mu.Lock()
	have, known := f.laid[t.id]
	f.mu.Unlock()
	if !known {
		_, have = f.before.Since(t.key(), t.image, 0)
	}
	return f.l.memory.Since(t.key(), t.image, have)
}

// ship brings a container the files that it lacks, and says how many those were. No newer change cancels it: what it
// brings is needed anyway. A helper that has ended meanwhile is started once more.
func (f *containerFiles) ship(t target) (int, error) {
	items, seq := f.due(t)
	if len(items) == 0 {
		return 0, nil
	}
	f.mu.Lock()
	f.tried[t.id] = attempt{seq, time.Now()}
	f.mu.Unlock()
	var refused *livesync.RefusedError
	err := f.layRunning(t, items)
	if err != nil && !errors.As(err, &refused) && f.l.ctx.Err() == nil && !f.l.gone(t) {
		err = f.layRunning(t, items)
	}
	if err == nil || errors.As(err, &refused) {
		f.mu.Lock()
		f.laid[t.id] = seq
		f.mu.Unlock()
	}
	if err != nil {
		return 0, fmt.Errorf("cannot sync to pod %s: %w", t.pod.Name, err)
	}
	return len(items), nil
}

func (f *containerFiles) layRunning(t target, items []livesync.Item) error {
	ch, err := f.channel(f.l.ctx, t)
	if err != nil {
		return err
	}
	return ch.Lay(f.l.ctx, items)
}

// channel is the channel into a container, opened if it is not there. It blocks until it is or ctx ends.
func (f *containerFiles) channel(ctx context.Context, t target) (*livesync.Channel, error) {
	o := f.open(t)
	select {
	case <-o.done:
		return o.ch, o.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// open begins to open a channel, unless one is there or on its way.
func (f *containerFiles) open(t target) *opening {
	f.mu.Lock()
	defer f.mu.Unlock()
	if o := f.channels[t.id]; o != nil && !o.over() {
		return o
	}
	o := &opening{done: make(chan struct{})}
	f.channels[t.id] = o
	if f.closed {
		o.err = livesync.ErrClosed
		close(o.done)
		return o
	}
	f.l.wg.Go(func() {
		defer close(o.done)
		o.ch, o.err = f.connect(f.l.ctx, t)
	})
	return o
}

// over says that a channel could not be opened, or has ended.
func (o *opening) over() bool {
	select {
	case <-o.done:
	default:
		return false
	}
	return o.err != nil || !o.ch.Usable()
}

// carried is where the binary is copied to in containers that were made without the volume.
const carried = ".lyandev-sync"

// connect starts the helper in a container: from the volume, else from a copy of the binary.
func (f *containerFiles) connect(ctx context.Context, t target) (*livesync.Channel, error) {
	eng := f.l.s.cfg.Engine
	socket := shimSocket(t.pod, t.container)
	ch, err := livesync.Open(ctx, eng, t.id, shim.Binary, socket)
	if err == nil || !errors.Is(err, engine.ErrExecNotStarted) {
		return ch, err
	}
	r, w := io.Pipe()
	go func() { _ = w.CloseWithError(livesync.BinaryArchive(w, f.l.s.cfg.Binary, carried)) }()
	if err := eng.CopyTo(ctx, t.id, "/", r); err != nil {
		return nil, err
	}
	return livesync.Open(ctx, eng, t.id, "/"+carried+"/lyandev", socket)
}

// follow opens channels into containers that have begun to run, so that the first edit need not wait for it, closes
// those of containers that are gone, and brings files that came between a container's making and its start.
func (f *containerFiles) follow(s *state.Snapshot) {
	f.l.mu.Lock()
	stack, off := f.l.stack, f.l.off
	f.l.mu.Unlock()
	if stack == nil || off {
		return
	}
	running := map[string]bool{}
	for _, x := range stack.Workloads {
		for _, container := range syncedContainers(x) {
			for _, p := range staying(s, x.Name()) {
				t, ok := targetOf(p, container)
				if !ok {
					continue
				}
				running[t.id] = true
				if shimmed(p) {
					f.warm(t)
				}
				f.catchUp(t, x.Name())
			}
		}
	}
	f.drop(running)
}

// warm opens a channel, once a container: one that cannot be opened is tried again when it is needed.
func (f *containerFiles) warm(t target) {
	f.mu.Lock()
	_, known := f.channels[t.id]
	f.mu.Unlock()
	if !known {
		f.open(t)
	}
}

func (f *containerFiles) catchUp(t target, workload string) {
	items, seq := f.due(t)
	f.mu.Lock()
	tried := f.tried[t.id]
	f.mu.Unlock()
	if len(items) == 0 || tried.seq >= seq && time.Since(tried.at) < retryAfter {
		return
	}
	f.l.offer(&task{
		workload: workload, quiet: true, sync: map[string][]livesync.Item{t.container: nil}, seen: time.Now(), complete: time.Now(),
	})
}

// drop forgets containers that do not run any more.
func (f *containerFiles) drop(running map[string]bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, o := range f.channels {
		if !running[id] && o.over() {
			delete(f.channels, id)
			delete(f.tried, id)
		}
	}
}

// close ends the channels.
func (f *containerFiles) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for _, o := range f.channels {
		select {
		case <-o.done:
			if o.err == nil {
				o.ch.Close()
			}
		default:
		}
	}
}

// syncedContainers are the containers of a workload that files are synced to.
func syncedContainers(x *services.Workload) []string {
	var out []string
	seen := map[string]bool{}
	for _, r := range x.Watch {
		if syncs(r.Action) && !seen[r.Container] {
			seen[r.Container] = true
			out = append(out, r.Container)
		}
	}
	return out
}
