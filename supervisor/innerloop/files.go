package innerloop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/livesync"
	"github.com/lyandev/lyandev/supervisor/shim"
	"github.com/lyandev/lyandev/supervisor/state"
)

// containerFiles brings files into containers, and knows for each container which it has.
type containerFiles struct {
	l *Loop

	mu sync.Mutex
	// containers are by ID. One that is not here has only the files of its image; what a former supervisor had delivered is
	// delivered again, since it may have been killed in between.
	containers map[string]*delivery
}

// delivery is what one container got.
type delivery struct {
	pod       types.UID
	podName   string
	workload  string
	container string
	// synced is the last sequence number of the memory that was delivered; tried is the last attempt.
	synced uint64
	tried  attempt
	// held is the last sequence number that is held back until the next edit, because a restart with those files failed in
	// another pod.
	held uint64
	// failure is why the last delivery failed, "" if it did not.
	failure string
	// channel is nil before the first is opened.
	channel *opening
	// carried: the binary was copied into the container (connect).
	carried bool
}

// attempt is one delivery of everything up to a sequence number.
type attempt struct {
	seq uint64
	at  time.Time
}

// retryAfter is how long after a failed attempt the same files are delivered again without a new change.
const retryAfter = 5 * time.Second

// opening is a channel that is open, or will be when done closes.
type opening struct {
	done chan struct{}
	ch   *livesync.Channel
	err  error
	// started is when the container was started whose process the channel leads to.
	started time.Time
}

func newContainerFiles(l *Loop) *containerFiles {
	return &containerFiles{l: l, containers: map[string]*delivery{}}
}

// target is one container of a pod.
type target struct {
	pod       *corev1.Pod
	container string
	id, image string
	// started is when the container was last started.
	started time.Time
}

func (t target) workload() string { return t.pod.Labels[services.WorkloadLabel] }

func (t target) key() string { return containerKey(t.workload(), t.container) }

// targetOf finds a container of a pod. running is false, and id "", while it does not run.
func targetOf(p *corev1.Pod, container string) (t target, running bool) {
	t = target{pod: p, container: container}
	for _, c := range p.Spec.Containers {
		if c.Name == container {
			t.image = c.Image
		}
	}
	for _, s := range p.Status.ContainerStatuses {
		if s.Name == container && s.State.Running != nil && s.ContainerID != "" {
			t.id, t.started = strings.TrimPrefix(s.ContainerID, idPrefix), s.State.Running.StartedAt.Time
			return t, true
		}
	}
	return t, false
}

// of finds the delivery of a container, or begins it: the former container of the same pod is forgotten. f.mu is held.
func (f *containerFiles) of(t target) *delivery {
	if d := f.containers[t.id]; d != nil {
		return d
	}
	for id, d := range f.containers {
		if d.pod == t.pod.UID && d.container == t.container {
			f.forget(id)
		}
	}
	d := &delivery{pod: t.pod.UID, podName: t.pod.Name, workload: t.workload(), container: t.container}
	f.containers[t.id] = d
	return d
}

// forget drops a container that is gone; f.mu is held.
func (f *containerFiles) forget(id string) {
	if o := f.containers[id].channel; o != nil && !o.over() && o.isOpen() {
		o.ch.Close()
	}
	delete(f.containers, id)
}

// BeforeStart writes the synced files that a container lacks into it before it is started: all of them after its creation, and
// before a later start those that were synced since it last got files. A file that cannot be written is reported, and the
// container starts without it. One with a read-only root gets them when it runs: the engine copies nothing into it before. It never
// returns an error.
func (l *Loop) BeforeStart(ctx context.Context, id string, p *corev1.Pod, container string) error {
	t, _ := targetOf(p, container)
	t.id = id
	items, seq := l.files.due(t)
	if seq == 0 || l.files.readOnly(p) {
		return nil
	}
	var err error
	if len(items) > 0 {
		err = livesync.Lay(ctx, l.cfg.Engine, id, items)
	}
	if err != nil {
		err = fmt.Errorf("pod %s starts without the files that were synced since its image was built: %w", p.Name, err)
		l.report(t.workload(), "FailedSync", err)
	}
	l.files.delivered(t, seq, err)
	return nil
}

// delivered notes that a container got everything up to a sequence number, except what the error says.
func (f *containerFiles) delivered(t target, seq uint64, err error) {
	f.mu.Lock()
	f.of(t).synced = seq
	f.mu.Unlock()
	f.failed(t, err)
}

// failed notes why the last delivery to a container failed; nil is that it did not.
func (f *containerFiles) failed(t target, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	f.mu.Lock()
	d := f.of(t)
	changed := d.failure != text
	d.failure = text
	f.mu.Unlock()
	if changed {
		f.l.cfg.Changed()
	}
}

// failureOf is why the last delivery to a container of a pod failed, "" if it did not.
func (f *containerFiles) failureOf(p *corev1.Pod) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range f.containers {
		if d.pod == p.UID && d.failure != "" {
			return d.failure
		}
	}
	return ""
}

// due returns the files that a container lacks, and the sequence number that it is at with them.
func (f *containerFiles) due(t target) (items []livesync.Item, seq uint64) {
	var synced uint64
	f.mu.Lock()
	if d := f.containers[t.id]; d != nil {
		synced = d.synced
	}
	f.mu.Unlock()
	return f.l.memory.Since(t.key(), t.image, synced)
}

// holdBack keeps the files that a container lacks now from it until the next edit.
func (f *containerFiles) holdBack(t target) {
	_, seq := f.due(t)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.of(t).held = seq
}

// isHeld reports whether everything that a container lacks is held back.
func (f *containerFiles) isHeld(t target) bool {
	_, seq := f.due(t)
	f.mu.Lock()
	defer f.mu.Unlock()
	return seq <= f.of(t).held
}

// ship brings a running container the files that it lacks, and returns how many those were. A newer change does not cancel
// it, since it needs the same files. If the helper in the container has ended meanwhile, it is started once more.
func (f *containerFiles) ship(t target) (int, error) {
	items, seq := f.due(t)
	if len(items) == 0 {
		return 0, nil
	}
	f.mu.Lock()
	f.of(t).tried = attempt{seq, time.Now()}
	f.mu.Unlock()
	var refused *livesync.RefusedError
	err := f.layRunning(t, items)
	if err != nil && !errors.As(err, &refused) && f.l.ctx.Err() == nil && !f.l.gone(t) {
		err = f.layRunning(t, items)
	}
	if err == nil {
		f.delivered(t, seq, nil)
		return len(items), nil
	}
	final := errors.As(err, &refused)
	err = deliveryError{fmt.Errorf("cannot sync to pod %s: %w", t.pod.Name, err)}
	switch {
	case final: // delivering the same once more would be refused again
		f.delivered(t, seq, err)
	case f.l.ctx.Err() == nil && !f.l.gone(t):
		f.failed(t, err)
	}
	return 0, err
}

func (f *containerFiles) layRunning(t target, items []livesync.Item) error {
	ch, err := f.channel(f.l.ctx, t)
	if err != nil {
		return err
	}
	return ch.Lay(f.l.ctx, items)
}

// channel returns the channel into a container. It blocks until it is open, could not be opened, or ctx ends.
func (f *containerFiles) channel(ctx context.Context, t target) (*livesync.Channel, error) {
	o := f.open(t)
	select {
	case <-o.done:
		return o.ch, o.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// open starts to open a channel, unless one is open or on its way.
func (f *containerFiles) open(t target) *opening {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.of(t)
	if d.channel != nil && !d.channel.over() {
		if !t.started.After(d.channel.started) {
			return d.channel
		}
		// The container was started again since: the helper has ended with it, but Docker 20.10 does not always end its stream.
		if d.channel.isOpen() {
			d.channel.ch.Close()
		}
	}
	o := &opening{done: make(chan struct{}), started: t.started}
	d.channel = o
	started := f.l.start(func() {
		defer close(o.done)
		o.ch, o.err = f.connect(f.l.ctx, t)
	})
	if !started {
		o.err = livesync.ErrClosed
		close(o.done)
	}
	return o
}

func (o *opening) isOpen() bool {
	select {
	case <-o.done:
		return o.err == nil
	default:
		return false
	}
}

// over reports whether a channel could not be opened, or has ended.
func (o *opening) over() bool {
	select {
	case <-o.done:
	default:
		return false
	}
	return o.err != nil || !o.ch.Usable()
}

// carried is the directory below / that the binary is copied to in containers that were made without the volume, and that no
// container can be put beside.
const carried = ".lyandev-sync"

// connect starts the helper in a container: from the volume if the container mounts it, in a container beside that of a plain
// service, else from a copy of the binary in the container's writable layer. The first edit of a container makes either.
func (f *containerFiles) connect(ctx context.Context, t target) (*livesync.Channel, error) {
	eng := f.l.cfg.Engine
	socket := shimSocket(t.pod, t.container)
	binary := shim.Binary
	f.mu.Lock()
	copied := f.of(t).carried
	f.mu.Unlock()
	if copied {
		binary = "/" + carried + "/lyandev"
	}
	var besideErr error
	if !copied && f.canBeBeside(t.pod) {
		ch, err := f.beside(ctx, t)
		if err == nil || ctx.Err() != nil {
			return ch, err
		}
		f.l.cfg.Log.Debug("cannot write files from a container beside", "pod", t.pod.Name, "error", err)
		besideErr = err
	}
	if copied || shimmed(t.pod) {
		ch, err := livesync.Open(ctx, eng, t.id, binary, socket)
		if err == nil || !errors.Is(err, engine.ErrExecNotStarted) {
			return ch, err
		}
	}
	err := copyTo(ctx, eng, t.id, "/", func(w io.Writer) error { return livesync.BinaryArchive(w, f.l.cfg.Binary, carried) })
	if err != nil {
		return nil, errors.Join(besideErr, err)
	}
	f.mu.Lock()
	f.of(t).carried = true
	f.mu.Unlock()
	return livesync.Open(ctx, eng, t.id, "/"+carried+"/lyandev", socket)
}

// copyTo unpacks what write writes, a tar archive, below a directory of a container. It returns when write has ended.
func copyTo(ctx context.Context, eng engine.Containers, id, dir string, write func(io.Writer) error) error {
	r, w := io.Pipe()
	wrote := make(chan struct{})
	go func() {
		defer close(wrote)
		_ = w.CloseWithError(write(w))
	}()
	err := eng.CopyTo(ctx, id, dir, r)
	_ = r.Close()
	<-wrote
	return err
}

// follow takes in a status: it forgets containers that are gone, opens channels into those that have begun to run, so that
// the first edit need not wait for it, and delivers files that were recorded between a container's creation and its start.
func (f *containerFiles) follow(s *state.Status) {
	f.forgetGone(s)
	f.l.mu.Lock()
	stack, off := f.l.stack, f.l.off
	f.l.mu.Unlock()
	if stack == nil || off {
		return
	}
	for _, x := range stack.Workloads {
		for _, container := range syncedContainers(x) {
			for _, p := range staying(s, x.Name()) {
				t, ok := targetOf(p, container)
				if !ok {
					continue
				}
				if shimmed(p) {
					f.warm(t)
				}
				f.catchUp(t)
			}
		}
	}
}

// forgetGone forgets the containers of pods that are gone.
func (f *containerFiles) forgetGone(s *state.Status) {
	f.mu.Lock()
	failures := 0
	for id, d := range f.containers {
		if p := s.Pod(d.podName); p == nil || p.UID != d.pod {
			if d.failure != "" {
				failures++
			}
			f.forget(id)
		}
	}
	f.mu.Unlock()
	if failures > 0 {
		f.l.cfg.Changed()
	}
}

// warm opens the first channel of a container. One that cannot be opened is tried again when it is needed.
func (f *containerFiles) warm(t target) {
	f.mu.Lock()
	d := f.containers[t.id]
	known := d != nil && d.channel != nil
	f.mu.Unlock()
	if !known {
		f.open(t)
	}
}

func (f *containerFiles) catchUp(t target) {
	items, seq := f.due(t)
	if len(items) == 0 {
		return
	}
	f.mu.Lock()
	tried := f.of(t).tried
	f.mu.Unlock()
	if f.isHeld(t) || tried.seq >= seq && time.Since(tried.at) < retryAfter {
		return
	}
	f.l.offer(&task{
		workload: t.workload(), quiet: true, sync: map[string][]livesync.Item{t.container: nil}, seen: time.Now(), complete: time.Now(),
	})
}

// close closes all channels. Nothing opens one any more.
func (f *containerFiles) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id := range f.containers {
		f.forget(id)
	}
}

// syncedContainers are the containers of a workload that files are synced to.
func syncedContainers(x *services.Workload) []string {
	var out []string
	for _, r := range x.Watch {
		if syncs(r.Action) && !slices.Contains(out, r.Container) {
			out = append(out, r.Container)
		}
	}
	return out
}
