package probe

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Sink hears what the workers of a pod find. Its methods are called from the workers' goroutines without any lock of
// this package held: they may call the Pod's methods, but must not block. What one worker says comes in order.
type Sink interface {
	// ProbeChanged is called for every published result that is a change (R23). The receiver lays it over its
	// published status at once (Change.Apply), even while a pod sync is running, and then syncs the pod if
	// Change.Syncs, which ends in UpdatePodStatus.
	ProbeChanged(c Change)
	// ProbeEvent is called for every event (R13, R24).
	ProbeEvent(e Event)
}

// HandlerFactory makes the handler of one probe of one container. It is called once for each worker.
type HandlerFactory func(c *corev1.Container, t Type, p *corev1.Probe) Handler

// Config says what a Pod probes and how. Pod, Handlers and Sink are required.
type Config struct {
	// Pod is read for its containers, restart policy, deletion timestamp, and (R21) its last known Ready condition.
	// It must not change afterwards.
	Pod      *corev1.Pod
	Handlers HandlerFactory
	Sink     Sink
	// Timing is Fast if empty.
	Timing Timing
	// Began is the supervisor's start if it adopts running pods (R21): workers that are made within their period after
	// it wait a random part of the period first, and instances that ran more than 10 s before it keep their readiness
	// until they are probed. Zero turns both off.
	Began time.Time
	// Jitter gives that random part, in [0, 1); nil means a random number.
	Jitter func() float64
}

// Pod is all the probe workers of one pod. They are made before its containers and outlive them (R2). All methods may
// be called from any goroutine; only Run blocks.
type Pod struct {
	cfg     Config
	workers []*worker

	mu sync.Mutex
	// status is what the workers see; a snapshot is never changed, only replaced.
	status  *corev1.PodStatus
	results map[resultKey]Result
	// suspended and renewals are about processes that are restarted within their container (Suspend).
	suspended map[string]bool
	renewals  map[string]renewal
	// ready: the pod was ready when the supervisor began and no container has been unready since (R21).
	ready bool
}

type resultKey struct {
	typ Type
	id  string
}

// New makes the workers of a pod, in the order startup, readiness, liveness for each container, sidecars last (R19).
// Nothing runs before Run.
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

// Run starts the workers and blocks until all have ended: by themselves (R16), by Stop, or because ctx ended, which
// also abandons tries in flight. The ticks of R2 count from this call. It returns nil; call it once.
func (p *Pod) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, w := range p.workers {
		wg.Go(func() { w.run(ctx) })
	}
	wg.Wait()
	return nil
}

// StopLivenessAndStartup ends the liveness and startup workers of ordinary containers, at the beginning of a pod's
// termination; readiness workers and those of sidecars go on (R17). A try in flight is finished and published, so a
// startup probe may still succeed.
func (p *Pod) StopLivenessAndStartup() {
	for _, w := range p.workers {
		if w.machine.typ != Readiness && !w.machine.sidecar {
			w.retire()
		}
	}
}

// Stop ends all workers, when the pod's containers are gone or the pod is.
func (p *Pod) Stop() {
	for _, w := range p.workers {
		w.stop()
	}
}

// Result gives the published result of one instance, false if there is none.
func (p *Pod) Result(t Type, containerID string) (Result, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r, ok := p.results[resultKey{t, containerID}]
	return r, ok
}

// publish stores a result; a change is laid over the status that workers see and told to the sink (R23).
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

// see replaces what the workers look at; p.mu is held. Fast workers look at once.
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
