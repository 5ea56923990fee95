package probe

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/timeline"
)

// tries is the number of attempts within one iteration if the handler returns errors (R13).
const tries = 3

// worker drives one machine: it waits for ticks, triggers and early times, tries the handler and publishes.
type worker struct {
	pod     *Pod
	machine machine
	handler Handler
	history history
	// Each holds at most one request: trigger for a manual trigger (R15), look to look at a new status (Fast), leave to end the
	// worker after the try in flight.
	trigger, look, leave chan struct{}
	// prematureSince is since when early tries have been left out because the container does not listen yet; zero if they are not.
	prematureSince time.Time
	prematureGap   time.Duration
	// alive is guarded by pod.mu.
	alive bool

	stopping sync.Mutex
	stopped  bool
	cancel   context.CancelFunc
}

func newWorker(p *Pod, c *corev1.Container, t Type, probe *corev1.Probe, sidecar bool) *worker {
	handler := p.cfg.Handlers(c, t, probe)
	_, costly := handler.(costlyHandler)
	return &worker{
		pod: p,
		machine: machine{
			costly: costly,
			typ:    t, container: c, spec: specOf(probe), sidecar: sidecar,
			policy: p.cfg.Pod.Spec.RestartPolicy, fast: p.cfg.Timing == Fast, began: p.cfg.Began,
		},
		handler: handler,
		trigger: make(chan struct{}, 1),
		look:    make(chan struct{}, 1),
		leave:   make(chan struct{}, 1),
		alive:   true,
	}
}

func (w *worker) triggerNow() { offer(w.trigger) }
func (w *worker) nudge()      { offer(w.look) }

// retire ends the worker, even before it runs. A try in flight is finished, and its result counts (R17).
func (w *worker) retire() { offer(w.leave) }

func offer(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// stop ends the worker, even before it runs. A try in flight is abandoned.
func (w *worker) stop() {
	w.stopping.Lock()
	defer w.stopping.Unlock()
	w.stopped = true
	if w.cancel != nil {
		w.cancel()
	}
}

func (w *worker) stoppable(ctx context.Context) context.Context {
	w.stopping.Lock()
	defer w.stopping.Unlock()
	ctx, w.cancel = context.WithCancel(ctx)
	if w.stopped {
		w.cancel()
	}
	return ctx
}

// run is the worker's loop. It returns when the machine ends, when stopped, or when ctx ends. In the last case the supervisor is
// ending and the container keeps running, so the published result is kept.
func (w *worker) run(whole context.Context) {
	ctx := w.stoppable(whole)
	defer w.stop()
	defer func() {
		if whole.Err() == nil {
			w.finish()
		}
	}()
	now := time.Now()
	sched := newSchedule(now.Add(w.jitter(now)), w.machine.spec.period)
	timer := time.NewTimer(sched.next().Sub(now))
	defer timer.Stop()
	for {
		early, due, gone := w.wait(ctx, &sched, timer)
		if gone {
			return
		}
		if due && w.iterate(ctx, &sched, early) {
			return
		}
		timer.Reset(time.Until(sched.next()))
	}
}

// jitter is the initial delay of a worker created soon after the supervisor's start (R21).
func (w *worker) jitter(now time.Time) time.Duration {
	cfg := w.pod.cfg
	if cfg.Began.IsZero() || now.Sub(cfg.Began) >= w.machine.spec.period {
		return 0
	}
	return time.Duration(cfg.Jitter() * float64(w.machine.spec.period))
}

// wait blocks until the next iteration. A trigger has precedence over a tick that is due at the same time, and restarts the
// ticks (R15). early marks an extra iteration of Fast; due is false if there is nothing to do; gone means that the worker was
// stopped or retired, which has precedence over everything else.
func (w *worker) wait(ctx context.Context, sched *schedule, timer *time.Timer) (early, due, gone bool) {
	looked := false
	select {
	case <-ctx.Done():
	case <-w.leave:
		return false, false, true
	case <-w.trigger:
		offer(w.trigger)
	case <-w.look:
		looked = true
	case <-timer.C:
	}
	select {
	case <-w.leave:
		return false, false, true
	default:
	}
	if ctx.Err() != nil {
		return false, false, true
	}
	select {
	case <-w.trigger:
		sched.restart(time.Now())
		return false, true, false
	default:
	}
	now := time.Now()
	if sched.take(now) {
		return false, true, false
	}
	if sched.early.IsZero() {
		return true, looked, false
	}
	return true, !now.Before(sched.early), false
}

// iterate does one iteration and sets the time of the next early one; true ends the worker.
func (w *worker) iterate(ctx context.Context, sched *schedule, early bool) bool {
	began := time.Now()
	m := &w.machine
	renewed, suspended := w.pod.renewal(m.container.Name)
	pause := w.pod.paused()
	s := m.begin(facts{
		now: began, early: early, deleting: w.pod.cfg.Pod.DeletionTimestamp != nil, status: w.pod.seen(),
		renewal: renewed, suspended: suspended, pause: pause,
	})
	w.carryOut(s)
	if s.probe && early && w.premature(ctx, s.target, began) {
		sched.early = time.Now().Add(w.prematureGap)
		return false
	}
	if s.probe {
		tried := time.Now()
		outcome := w.try(ctx, s.target, early)
		if ctx.Err() != nil {
			return true
		}
		timeline.Add(ctx, timeline.Span{
			Kind: timeline.Probe, Name: string(m.typ), Start: tried, Of: m.container.Name, Detail: outcome.brief(), Failed: outcome.result() == Failure,
		})
		if now, _ := w.pod.renewal(m.container.Name); now.count != renewed.count {
			return false // the answer of a process that was replaced; its replacement triggers another try
		}
		if outcome.result() == Failure && w.pod.paused() != pause {
			return false // the pause that has begun may be the reason that it stands
		}
		w.remember(s.target, outcome, tried, early)
		if e, ok := eventFor(m.typ, outcome); ok && !early && !m.renewing(began) {
			e.Container, e.ContainerID = m.container.Name, s.target.ContainerID
			w.pod.cfg.Sink.ProbeEvent(e)
		}
		s = m.finish(outcome, early)
		w.carryOut(s)
	}
	sched.early = time.Time{}
	if now := time.Now(); s.again {
		sched.early = now.Add(m.gap(now.Sub(began)))
	}
	return s.end
}

// premature reports whether an early try is left out because it would only cost time.
func (w *worker) premature(ctx context.Context, t Target, now time.Time) bool {
	h, costly := w.handler.(costlyHandler)
	if !costly || !h.Premature(ctx, t) {
		w.prematureSince = time.Time{}
		return false
	}
	if w.prematureSince.IsZero() {
		w.prematureSince, w.prematureGap = now, prematureFirst
	}
	w.prematureGap = min(w.prematureGap*5/4, prematureLast)
	if now.Sub(w.prematureSince) < prematureLimit {
		return true
	}
	w.prematureSince = now
	return false
}

func (w *worker) carryOut(s step) {
	if s.forget != "" {
		w.pod.forget(w.machine.typ, s.forget)
	}
	for _, pub := range s.publish {
		w.pod.publish(w, pub)
	}
}

// try calls the handler until it returns no error, three times at most, without a pause (R13). An early try calls it once.
func (w *worker) try(ctx context.Context, t Target, early bool) Outcome {
	for n := 1; ; n++ {
		o := w.handler.Try(ctx, t)
		if o.Err == nil || early || n == tries || ctx.Err() != nil {
			return o
		}
	}
}

// finish removes the worker's published result, except for startup: a started container stays started while its pod is being
// terminated (R14, R17).
func (w *worker) finish() {
	if w.machine.typ != Startup {
		w.pod.forget(w.machine.typ, w.machine.id)
	}
	w.pod.ended(w)
}
