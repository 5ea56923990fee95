// Package composepod runs the pods of plain Compose services: pods of one container that Docker itself restarts, whose health
// Docker checks, and whose names Docker resolves, as under Docker Compose. A Worker creates the container and starts it, observes
// it, and stops it. It does not replace a container that has ended: the pod is then Succeeded or Failed, and runs again when
// somebody starts the container.
package composepod

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/probe"
)

// Deps are a worker's dependencies. Engine, Project, Labels, Images, Objects and Sink are required.
type Deps struct {
	Engine engine.Engine
	// Project is the instance's name.
	Project string
	// Labels returns the labels of a pod's container, without those of the file.
	Labels func(p *corev1.Pod) map[string]string
	Images pod.Images
	// Objects has the contents of configs and secrets.
	Objects pod.Objects
	Sink    pod.Sink
	// DNS returns the name servers that a container in some Docker networks asks besides Docker's own; own are those of the
	// file. nil returns own.
	DNS func(networks, own []string) []string
	// BeforeStart is called before each start that is not Docker's own, to write synced files into the container; nil does
	// nothing. Its error prevents the start.
	BeforeStart func(ctx context.Context, containerID string, p *corev1.Pod, container string) error
	// Warn receives the engine's warnings about ignored settings; nil discards them.
	Warn func(pod, text string)
	// Volumes keeps the anonymous volumes of a removed container for the next one of the pod's name; nil keeps none.
	Volumes *Anonymous
	// PreStarts runs pre_start once for all containers of a service; nil runs it for each.
	PreStarts *PreStarts
	// Credentials returns the Docker configuration for containers with use_api_socket; nil is engine.Credentials.
	Credentials func() ([]byte, error)
	// FileDir is a directory of this host for configs of containers with a read-only root, which Docker cannot copy into. The
	// engine must be able to bind-mount it.
	FileDir string
	Log     *slog.Logger
}

// Worker runs one pod. All methods except Run return at once and may be called from any goroutine, before, during and after Run
// (then they have no effect).
type Worker struct {
	deps Deps
	log  *slog.Logger

	mail inbox

	mu        sync.Mutex
	published *corev1.Pod
	gone      bool
	// volumesToo: the container's anonymous volumes go with it.
	volumesToo bool

	// The rest belongs to Run's goroutine.

	pod  *corev1.Pod
	want *compose.Container
	// broken is why the annotation cannot be read, "" if it can.
	broken string
	// id is the container that was last seen, "" for none.
	id string
	// hold is why nothing may be started, "" if it may be.
	hold string
	// waiting is why there is no running container, nil if there is one or it has ended.
	waiting *pod.WaitError
	// asked: the container was told to stop, by us or by somebody else, so its end is not its own.
	asked bool
	// last is the last end of the container that is known, nil for none. ours: the next end that the engine reports is one that
	// this worker asked for.
	last *end
	ours bool
	// excuse is the last period in which the engine was away.
	excuse *span
	// stopped: the container stays stopped until Start. begin: a container that has ended is to be started, as soon as hold allows.
	stopped, begin bool
	probePause     pod.Pause
	// unstarted: a container that has never run is made and not started until Start or RestartContainer.
	unstarted bool
	// starts counts the starts made here after the first; with the engine's own restarts it is the restart count.
	starts, engineRestarts int32
	// failures counts failed attempts in a row, for the time of the next.
	failures int
	// unready: the hooks of the last start have not ended.
	unready bool
	// hookFailed is the error of the post_start hook that failed after the last start, "" if none did. The container goes on
	// running, and is not ready until it is started again.
	hookFailed string
	// refused is why a pre_start hook prevents the start until Start or RestartContainer; "" for none.
	refused string
}

// New returns the worker of a pod, which it copies. If the pod's container exists, Run goes on with it.
func New(p *corev1.Pod, deps Deps) *Worker {
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	p = p.DeepCopy()
	w := &Worker{deps: deps, log: deps.Log.With("pod", p.Name), pod: p, published: p.DeepCopy()}
	w.mail.wake = make(chan struct{}, 1)
	w.read()
	w.asked = p.Status.Reason == services.ReasonStopped
	w.unstarted = p.Annotations[services.UnstartedAnnotation] != ""
	switch p.Status.Reason {
	case ReasonPreStart:
		w.refused = p.Status.Message
	case services.ReasonPostStart:
		w.hookFailed = p.Status.Message
	}
	return w
}

// read decodes what Docker is to be asked for.
func (w *Worker) read() {
	c, err := compose.Decode(w.pod.Annotations[compose.Annotation], w.deps.Project)
	if err != nil {
		w.want, w.broken = &compose.Container{}, err.Error()
		return
	}
	w.want, w.broken = c, ""
}

// Pod returns a copy of the pod with its latest status.
func (w *Worker) Pod() *corev1.Pod {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.published.DeepCopy()
}

// ProbeAnswers returns nothing: the engine checks the health.
func (w *Worker) ProbeAnswers() []probe.Answer { return nil }

// SuspendProbes and ResumeProbes do nothing, for the same reason.
func (w *Worker) SuspendProbes(string) {}

// ResumeProbes does nothing; see SuspendProbes.
func (w *Worker) ResumeProbes(string) {}

// PauseProbes begins, changes or ends a pause. The engine's health check cannot be paused: it goes on, and a container that was healthy
// stays ready whatever the check says, until the pause or the run of the container ends.
func (w *Worker) PauseProbes(p pod.Pause) { w.mail.put(func(m *letters) { m.pause = &p }) }

// Delete ends the pod: pre_stop hooks, the stop signal, the grace period, SIGKILL, and the container is removed. grace is in
// seconds; nil is the file's, by default 10 s. A second deletion with a shorter grace shortens it.
func (w *Worker) Delete(grace *int64) {
	w.mail.put(func(m *letters) {
		m.deleted = true
		if grace != nil && (m.grace == nil || *grace < *m.grace) {
			m.grace = grace
		}
	})
	w.mail.interrupt()
}

// Update replaces the pod's metadata and spec. It takes effect when the container is next created.
func (w *Worker) Update(p *corev1.Pod) {
	p = p.DeepCopy()
	w.mail.put(func(m *letters) { m.pod = p })
}

// SetCondition sets a condition of the pod's status.
func (w *Worker) SetCondition(c corev1.PodCondition) {
	w.mail.put(func(m *letters) { m.conditions = append(m.conditions, c) })
}

// RestartContainer stops the container and starts the same one again; one that has ended is started. The name is ignored: there
// is one container.
func (w *Worker) RestartContainer(_, reason string) { _ = w.Restart(nil, reason) }

// Restart is RestartContainer with the time between the stop signal and SIGKILL in seconds; nil is the file's. See Stop for what it
// returns.
func (w *Worker) Restart(grace *int64, reason string) <-chan error {
	return w.mail.ask(func(m *letters) { m.restart, m.stopGrace, m.stop = reason, grace, nil })
}

// Stop stops the container and keeps it, until Start or RestartContainer. grace is in seconds; nil is the file's. The channel
// delivers one value when the container has stopped and the Sink has its status: nil, or why it failed. It delivers nothing if
// Run does not run or ends before.
func (w *Worker) Stop(grace *int64) <-chan error {
	return w.mail.ask(func(m *letters) { m.stop, m.stopGrace, m.restart = new(true), grace, "" })
}

// Halt is Stop, and abandons what the worker is doing, such as pulling an image. The status tells when nothing runs: the pod has
// ended, or its container waits for services.ReasonStopped.
func (w *Worker) Halt() {
	_ = w.Stop(nil)
	w.mail.interrupt()
}

// Start starts a container that has ended or was stopped, and does nothing to one that runs. See Stop for what it returns.
func (w *Worker) Start() <-chan error { return w.mail.ask(func(m *letters) { m.stop = new(false) }) }

// Resync looks at the container now.
func (w *Worker) Resync() { w.mail.put(func(*letters) {}) }

// CheckNames looks at the container now, and makes it anew if it runs without the stack's name server and is to have it, or the other
// way round: the stack has got its first Services of Kubernetes' semantics, whose names it would not find, or has lost the last.
func (w *Worker) CheckNames() { w.mail.put(func(m *letters) { m.names = true }) }

// RemoveVolumes says whether the removal of the container, by Delete or for the next one, removes its anonymous volumes too.
func (w *Worker) RemoveVolumes(yes bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.volumesToo = yes
}

func (w *Worker) dropsVolumes() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.volumesToo
}

// Notify passes an event of the pod's container to the worker.
func (w *Worker) Notify(e pod.ContainerEvent) {
	w.mail.put(func(m *letters) { m.events = append(m.events, e) })
}

// Hold prevents the worker from creating and starting the container; why is the reason that the status gives, and "" ends it.
func (w *Worker) Hold(why string) { w.mail.put(func(m *letters) { m.hold = &why }) }

// Excuse records that a container that ended between two times was ended with the engine, not by itself. Docker's restart policy
// decides whether it comes back.
func (w *Worker) Excuse(from, to time.Time) {
	w.mail.put(func(m *letters) { m.excuse = &span{from, to} })
}

// end is how a container ended. why is the reason of a restart that somebody asked for, "" for none.
type end struct {
	id   string
	code int
	why  string
}

// span is a period of time.
type span struct{ from, to time.Time }

// letters are the requests to a worker since it last read them.
type letters struct {
	deleted    bool
	grace      *int64
	pod        *corev1.Pod
	conditions []corev1.PodCondition
	restart    string
	stop       *bool
	stopGrace  *int64
	hold       *string
	pause      *pod.Pause
	excuse     *span
	events     []pod.ContainerEvent
	names      bool
	// answers are told when what the letters ask for is done.
	answers []chan<- error
}

// answer tells everybody who waits for the end of what the letters ask for.
func (m *letters) answer(err error) {
	for _, c := range m.answers {
		c <- err
	}
}

// inbox collects letters and wakes the loop.
type inbox struct {
	mu   sync.Mutex
	m    letters
	wake chan struct{}
	// cancel abandons what the loop is doing, nil if it may not be abandoned.
	cancel func()
}

func (b *inbox) put(write func(*letters)) {
	b.mu.Lock()
	write(&b.m)
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// ask is put, with a channel that delivers the result.
func (b *inbox) ask(write func(*letters)) <-chan error {
	answer := make(chan error, 1)
	b.put(func(m *letters) {
		write(m)
		m.answers = append(m.answers, answer)
	})
	return answer
}

// take returns the letters. A deletion stays in the inbox, so that everybody who looks sees it.
func (b *inbox) take() letters {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.m
	b.m = letters{deleted: m.deleted, grace: m.grace}
	return m
}

// onlyOthers reports whether the letters are nothing but events of other containers than that of an ID.
func (b *inbox) onlyOthers(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.m
	asked := m.deleted || m.pod != nil || m.conditions != nil || m.restart != "" || m.stop != nil || m.hold != nil || m.excuse != nil || m.names || m.answers != nil
	return !asked && len(m.events) > 0 && !slices.ContainsFunc(m.events, func(e pod.ContainerEvent) bool { return e.ID == id })
}

func (b *inbox) interrupt() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cancel != nil {
		b.cancel()
	}
}

// abandonable returns a context that a deletion ends, and a function that must be called at the end.
func (b *inbox) abandonable(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.m.deleted {
		cancel()
	}
	b.cancel = cancel
	return ctx, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.cancel = nil
		cancel()
	}
}
