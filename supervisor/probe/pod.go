package probe

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Sink receives the results of a pod's workers. Its methods are called from the workers' goroutines without any lock of this
// package held: they may call the Pod's methods, but must not block. The calls of one worker are in order.
type Sink interface {
	// ProbeChanged is called for every changed result (R23). The receiver must apply it to its published status at once
	// (Change.Apply), even during a pod sync, and then sync the pod if Change.Syncs, including UpdatePodStatus.
	ProbeChanged(c Change)
	// ProbeEvent is called for every event (R13, R24).
	ProbeEvent(e Event)
}

// HandlerFactory returns the handler for one probe of one container. It is called once per worker.
type HandlerFactory func(c *corev1.Container, t Type, p *corev1.Probe) Handler

// Config configures a Pod. Pod, Handlers and Sink are required.
type Config struct {
	// Pod provides the containers, restart policy, deletion timestamp, and (R21) the last known Ready condition. It must not be
	// changed afterwards.
	Pod      *corev1.Pod
	Handlers HandlerFactory
	Sink     Sink
	// Timing is Fast if empty.
	Timing Timing
	// Began is the supervisor's start if it adopts running pods (R21): workers created less than one period after it first wait
	// a random part of the period, and instances started more than 10 s before it keep their readiness until they are probed.
	// Zero turns both off.
	Began time.Time
	// Jitter returns that random part, in [0, 1); nil uses a random number.
	Jitter func() float64
}

// Pod manages the probe workers of one pod. They are created before its containers and outlive them (R2). It is safe for
// concurrent use; only Run blocks.
type Pod struct {
	cfg     Config
	workers []*worker

	mu sync.Mutex
	// status is what the workers see. It is never changed, only replaced.
	status  *corev1.PodStatus
	results map[resultKey]Result
	// suspended and renewals are about processes that are restarted within their container (Suspend).
	suspended map[string]bool
	renewals  map[string]renewal
	pause     Pause
	// ready: the pod was ready when the supervisor began and no container has been unready since (R21).
	ready bool
}

type resultKey struct {
	typ Type
	id  string
}

// New creates the workers of a pod, in the order startup, readiness, liveness for each container, sidecars last (R19). They do
// not run before Run.
func New(cfg Config) *Pod {
	if cfg.Jitter == nil {
		cfg.Jitter = rand.Float64
	}
	if cfg.Timing == "" {
		cfg.Timing = Fast
	}
	p := &Pod{cfg: cfg, results: map[resultKey]Result{}, ready: isReady(&cfg.Pod.Status)}
	for i := range cfg.Pod.Spec.Containers {
		p.addWorkers(&cfg.Pod.Spec.Containers[i], false)
	}
	for i := range cfg.Pod.Spec.InitContainers {
		if c := &cfg.Pod.Spec.InitContainers[i]; IsSidecar(c) {
			p.addWorkers(c, true)
		}
	}
	return p
}

func (p *Pod) addWorkers(c *corev1.Container, sidecar bool) {
	for _, t := range Types() {
		if probe := t.Of(c); probe != nil {
			p.workers = append(p.workers, newWorker(p, c, t, probe, sidecar))
		}
	}
}

// Run starts the workers and blocks until all have ended: by themselves (R16), by Stop, or because ctx ended, which also
// abandons tries in flight. The ticks of R2 count from this call. It returns nil and must be called only once.
func (p *Pod) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, w := range p.workers {
		wg.Go(func() { w.run(ctx) })
	}
	wg.Wait()
	return nil
}

// StopLivenessAndStartup ends the liveness and startup workers of ordinary containers, at the start of a pod's termination.
// Readiness workers and those of sidecars continue (R17). A try in flight is finished and published, so a startup probe may
// still succeed.
func (p *Pod) StopLivenessAndStartup() {
	for _, w := range p.workers {
		if w.machine.typ != Readiness && !w.machine.sidecar {
			w.retire()
		}
	}
}

// Stop ends all workers, once the pod or its containers are gone.
func (p *Pod) Stop() {
	for _, w := range p.workers {
		w.stop()
	}
}

// Result returns the published result of one instance, false if there is none.
func (p *Pod) Result(t Type, containerID string) (Result, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r, ok := p.results[resultKey{t, containerID}]
	return r, ok
}

// publish stores a result. A change is applied to the status that workers see and passed to the sink (R23).
func (p *Pod) publish(w *worker, pub publication) {
	if c, changed := p.store(w, pub); changed {
		p.cfg.Sink.ProbeChanged(c)
	}
}

func (p *Pod) store(w *worker, pub publication) (Change, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := resultKey{w.machine.typ, pub.id}
	if old, ok := p.results[key]; ok && old == pub.result {
		return Change{}, false
	}
	p.results[key] = pub.result
	c := Change{Container: w.machine.container.Name, ContainerID: pub.id, Type: w.machine.typ, Result: pub.result, At: time.Now()}
	if p.status != nil {
		next := p.status.DeepCopy()
		if c.Apply(next) {
			p.see(next)
		}
	}
	return c, true
}

func (p *Pod) forget(t Type, id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.results, resultKey{t, id})
}

// ended is called by a worker as its last act.
func (p *Pod) ended(w *worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.alive = false
}

func (p *Pod) seen() *corev1.PodStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status
}

// see replaces the status that the workers see, and wakes Fast workers; p.mu is held.
func (p *Pod) see(s *corev1.PodStatus) {
	p.status = s
	if p.cfg.Timing != Fast {
		return
	}
	for _, w := range p.workers {
		if w.machine.typ != Liveness {
			w.nudge()
		}
	}
}

func isReady(s *corev1.PodStatus) bool {
	for _, c := range s.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
