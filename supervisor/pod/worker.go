package pod

import (
	"log/slog"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services/kube"
	"github.com/lyandev/lyandev/supervisor/backoff"
	"github.com/lyandev/lyandev/supervisor/probe"
)

// Worker is the kubelet of one pod. Every method but Run returns at once and may be called from any goroutine, before
// Run, while it runs, and after (then it does nothing).
type Worker struct {
	deps Deps
	log  *slog.Logger

	// inbox is read by the loop, outbox by the herald, which no sync can block.
	inbox, outbox inbox
	// published is the pod as the sink last saw it.
	published published
	probes    *probes
	// hooks are the preStop hooks, also those that are not waited for any more; over is closed when Run ends, and ends them.
	hooks sync.WaitGroup
	over  chan struct{}

	// The rest belongs to Run's goroutine.

	pod      *corev1.Pod
	observed Observed
	looked   bool
	alarm    alarm
	engine   retry
	reasons  map[string]WaitError
	crashes  *backoff.Tracker
	pulls    *backoff.Tracker
	pullErrs map[string]string
	// restarts are the containers to restart by hand, with the reason; expired is set at the active deadline (R105).
	restarts map[string]string
	expired  bool
	// ending: no more syncs, all containers are being stopped; ended: they have, and the sandbox too; removed: nothing is left.
	ending, ended, removed bool
	hurried                bool
	mounting               mounting
	// hold is why nothing may be started, "" if it may; excuse is when containers ended that did not by themselves.
	hold   string
	excuse *span
	// files are the contents of config volumes at the last sync, nil before the first.
	files map[string]Files
}

// New makes the worker of a pod. The pod's status may say what a former supervisor knew (start time, conditions); what
// runs is asked from the runtime by Run, so a worker for a running pod adopts it. A pod whose phase is a final one has ended,
// whatever there still is of it. The pod is copied.
func New(pod *corev1.Pod, deps Deps) *Worker {
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if deps.Relist <= 0 {
		deps.Relist = time.Minute
	}
	pod = withDefaults(pod.DeepCopy())
	w := &Worker{
		deps:     deps,
		log:      deps.Log.With("pod", pod.Name),
		pod:      pod,
		reasons:  map[string]WaitError{},
		crashes:  backoff.New(deps.BackOff),
		pulls:    backoff.New(backoff.Config{}),
		pullErrs: map[string]string{},
		restarts: map[string]string{},
		over:     make(chan struct{}),
	}
	w.inbox.wake, w.outbox.wake = make(chan struct{}, 1), make(chan struct{}, 1)
	w.engine = retry{first: engineRetryFirst, last: engineRetryLast}
	w.ending = Final(pod.Status.Phase)
	w.ended = w.ending
	w.published.pod = pod.DeepCopy()
	w.probes = newProbes(w)
	return w
}

// Pod is the pod with its latest status. It is the caller's own.
func (w *Worker) Pod() *corev1.Pod { return w.published.get() }

// ProbeAnswers are the last answers of the pod's probes, ten each; see probe.Pod.
func (w *Worker) ProbeAnswers() []probe.Answer { return w.probes.answers() }

// Delete asks for the end of the pod (R100): nothing is restarted any more, every container gets preStop and the stop
// signal, and when all have ended the object goes and Run returns. grace nil is the pod's own. A second deletion with
// another grace changes nothing about a stop that is going on (R102). A start, restart or probe kill that is going on
// is abandoned.
// A grace of 0 is a force deletion.
func (w *Worker) Delete(grace *int64) {
	if grace != nil && *grace == 0 {
		w.ForceDelete()
		return
	}
	w.inbox.put(func(m *mail) {
		if m.deletion == nil {
			m.deletion = &deletion{at: time.Now(), grace: grace}
		}
	})
	w.inbox.interrupt()
}

// ForceDelete makes the pod object go at once; its containers are still stopped with the pod's own grace (R103).
func (w *Worker) ForceDelete() {
	force := func(m *mail) { m.forced = true }
	w.outbox.put(force)
	w.inbox.put(force)
	w.inbox.interrupt()
}

// Hurry cuts short the stops of a deletion that is going on: two seconds more, then SIGKILL. Kubernetes has nothing of
// the kind (R102); it is for the user who asks a second time.
func (w *Worker) Hurry() {
	w.inbox.put(func(m *mail) { m.hurry = true })
	w.inbox.hurry()
}

// Update replaces the pod's metadata and spec. What it changes of a running pod: a container's image (it is restarted,
// R77), labels and annotations, and, as an extension, containers added to or taken out of spec.containers, which are
// started or stopped in place. Other changes of a container take effect at its next start.
func (w *Worker) Update(pod *corev1.Pod) {
	pod = withDefaults(pod.DeepCopy())
	w.inbox.put(func(m *mail) { m.pod = pod })
}

// SetCondition sets a condition of the pod's status, as of a readiness gate (R120), also while a sync is going on. Its
// transition time is kept by the worker.
func (w *Worker) SetCondition(c corev1.PodCondition) {
	w.outbox.put(func(m *mail) { m.conditions = append(m.conditions, c) })
}

// RestartContainer restarts one container whatever the restart policy, without waiting out its back-off and beginning
// its back-off anew. The reason goes into the event: "Container web <reason>, will be restarted".
func (w *Worker) RestartContainer(name, reason string) {
	w.inbox.put(func(m *mail) {
		if m.restarts == nil {
			m.restarts = map[string]string{}
		}
		m.restarts[name] = reason
	})
}

// Resync asks for a pod sync now: an object that the pod refers to has changed, or an image was made.
func (w *Worker) Resync() { w.inbox.put(func(m *mail) { m.resync = true }) }

// Notify tells the worker of an event of one of its containers. Events that tell what the worker already saw cause
// nothing.
func (w *Worker) Notify(e ContainerEvent) {
	w.inbox.put(func(m *mail) { m.events = append(m.events, e) })
}

// deletion is a request to end the pod.
type deletion struct {
	at    time.Time
	grace *int64
}

// mail is what has been asked of a worker since it last looked.
type mail struct {
	deletion   *deletion
	forced     bool
	hurry      bool
	pod        *corev1.Pod
	conditions []corev1.PodCondition
	restarts   map[string]string
	resync     bool
	hold       *string
	excuse     *span
	// probe: a probe result has changed.
	probe  bool
	events []ContainerEvent
}

// inbox holds the mail and wakes the loop.
type inbox struct {
	mu   sync.Mutex
	mail mail
	wake chan struct{}
	// cancel abandons the sync that is going on, nil if there is none that may be abandoned; shorten abandons the stops
	// of a termination.
	cancel, shorten func()
}

func (b *inbox) put(write func(*mail)) {
	b.mu.Lock()
	write(&b.mail)
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func (b *inbox) take() mail {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.mail
	b.mail = mail{}
	return m
}

// waiting says that there is mail that changes how the pod ends.
func (b *inbox) waiting() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mail.hurry
}

// interruptible remembers how to abandon the sync that begins; false if a deletion already waits.
func (b *inbox) interruptible(cancel func()) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cancel = cancel
	return b.mail.deletion == nil && !b.mail.forced
}

func (b *inbox) interrupt() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cancel != nil {
		b.cancel()
	}
}

func (b *inbox) hurry() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shorten != nil {
		b.shorten()
	}
}

// hurriable remembers how to abandon stops.
func (b *inbox) hurriable(shorten func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shorten = shorten
}

// withDefaults fills in what the API server would have defaulted (R30, R40).
func withDefaults(pod *corev1.Pod) *corev1.Pod {
	kube.Default(pod)
	if pod.Namespace == "" {
		pod.Namespace = metav1.NamespaceDefault
	}
	return pod
}
