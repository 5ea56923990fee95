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

// Worker runs one pod as the kubelet does. All methods except Run return at once and may be called from any goroutine, before,
// during and after Run (then they have no effect).
type Worker struct {
	deps Deps
	log  *slog.Logger

	// inbox is read by the loop, outbox by herald, which a blocked sync does not delay.
	inbox, outbox inbox
	// published is the pod as the sink last saw it.
	published published
	probes    *probes
	// hooks are the running preStop hooks, including those no longer waited for. over is closed when Run ends, and ends them.
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
	// restarts are the containers to restart on request, with the reason. expired is set at the active deadline (R105).
	restarts map[string]string
	expired  bool
	// ending: no more syncs, all containers are being stopped; ended: they have, and the sandbox too; removed: nothing is left.
	ending, ended, removed bool
	hurried                bool
	mounting               mounting
	// hold is why no container may be started, "" if they may. excuse is the period in which containers were ended with the engine.
	hold   string
	excuse *span
	// files are the contents of config volumes at the last sync, nil before the first.
	files map[string]Files
}

// New returns the worker of a pod, which it copies. The pod's status may have values of a previous supervisor (start time,
// conditions). Run observes the running containers, so that a worker for a running pod adopts it. A pod with a final phase has
// ended, even if containers of it still exist.
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

// Pod returns a copy of the pod with its latest status.
func (w *Worker) Pod() *corev1.Pod { return w.published.get() }

// ProbeAnswers returns the last ten answers of each of the pod's probes; see probe.Pod.
func (w *Worker) ProbeAnswers() []probe.Answer { return w.probes.answers() }

// ProbeReadiness runs the readiness probes now, in addition to their period, and does not wait for the results. They count as
// any others.
func (w *Worker) ProbeReadiness() { w.probes.each((*probe.Pod).ProbeReadiness) }

// Delete requests the termination of the pod (R100): nothing is restarted any more, every container gets preStop and the stop
// signal, and when all have ended the pod object is removed and Run returns. grace is in seconds; nil is the pod's own, 0 a
// force deletion. A second deletion with another grace does not change a stop in progress (R102). A start, restart or probe kill
// in progress is abandoned.
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

// ForceDelete removes the pod object at once. Its containers are still stopped with the pod's own grace period (R103).
func (w *Worker) ForceDelete() {
	force := func(m *mail) { m.forced = true }
	w.outbox.put(force)
	w.inbox.put(force)
	w.inbox.interrupt()
}

// Hurry shortens the stops of a deletion in progress to two more seconds before SIGKILL. Kubernetes has no equivalent (R102); it
// is for users who request the stop a second time.
func (w *Worker) Hurry() {
	w.inbox.put(func(m *mail) { m.hurry = true })
	w.inbox.hurry()
}

// Update replaces the pod's metadata and spec. In a running pod these changes take effect at once: a container's image (the
// container is restarted, R77), labels and annotations, and, as an extension, containers added to or removed from
// spec.containers, which are started or stopped in place. Other changes of a container take effect at its next start.
func (w *Worker) Update(pod *corev1.Pod) {
	pod = withDefaults(pod.DeepCopy())
	w.inbox.put(func(m *mail) { m.pod = pod })
}

// SetCondition sets a condition of the pod's status, such as that of a readiness gate (R120), even during a sync. The worker sets
// the transition time.
func (w *Worker) SetCondition(c corev1.PodCondition) {
	w.outbox.put(func(m *mail) { m.conditions = append(m.conditions, c) })
}

// RestartContainer restarts one container regardless of the restart policy and of its back-off, which is reset. The reason is part
// of the event: "Container web <reason>, will be restarted".
func (w *Worker) RestartContainer(name, reason string) {
	w.inbox.put(func(m *mail) {
		if m.restarts == nil {
			m.restarts = map[string]string{}
		}
		m.restarts[name] = reason
	})
}

// Resync requests a pod sync now: an object that the pod refers to has changed, or an image was built.
func (w *Worker) Resync() { w.inbox.put(func(m *mail) { m.resync = true }) }

// Notify passes an event of one of the pod's containers to the worker. Events about states that the worker has already observed
// are ignored.
func (w *Worker) Notify(e ContainerEvent) {
	w.inbox.put(func(m *mail) { m.events = append(m.events, e) })
}

// deletion is a request to terminate the pod.
type deletion struct {
	at    time.Time
	grace *int64
}

// mail holds the requests to a worker since it last read its inbox.
type mail struct {
	deletion   *deletion
	forced     bool
	hurry      bool
	pod        *corev1.Pod
	conditions []corev1.PodCondition
	restarts   map[string]string
	resync     bool
	pause      *Pause
	hold       *string
	excuse     *span
	// probe: a probe result has changed.
	probe  bool
	events []ContainerEvent
}

// inbox collects the mail and wakes the loop.
type inbox struct {
	mu   sync.Mutex
	mail mail
	wake chan struct{}
	// cancel abandons the sync in progress, nil if there is none that may be abandoned. shorten abandons the stops of a
	// termination.
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

// waiting reports whether there is mail that changes how the pod is terminated.
func (b *inbox) waiting() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mail.hurry
}

// interruptible stores how to abandon the sync that is starting; false if a deletion is already pending.
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

// hurriable stores how to abandon stops.
func (b *inbox) hurriable(shorten func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shorten = shorten
}

// withDefaults fills in the API server's defaults (R30, R40).
func withDefaults(pod *corev1.Pod) *corev1.Pod {
	kube.Default(pod)
	if pod.Namespace == "" {
		pod.Namespace = metav1.NamespaceDefault
	}
	return pod
}
