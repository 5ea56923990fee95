package pod

import (
	"context"
	"log/slog"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/supervisor/backoff"
)

const (
	// configRetry is when a container that could not be created is tried again (R61, 10-15 s there).
	configRetry = 10 * time.Second
	// engineRetryFirst and engineRetryLast bound the wait after the runtime did not answer.
	engineRetryFirst = 100 * time.Millisecond
	engineRetryLast  = 5 * time.Second
	// mountRetryFirst and mountRetryLast are R142.
	mountRetryFirst = 500 * time.Millisecond
	mountRetryLast  = 122 * time.Second
)

// retry is a wait that doubles as long as something goes on failing.
type retry struct {
	first, last, wait time.Duration
}

func (r *retry) next() time.Duration {
	r.wait = min(max(2*r.wait, r.first), r.last)
	return r.wait
}

func (r *retry) reset() { r.wait = 0 }

// alarm is the earliest of the times at which the worker must look again.
type alarm struct{ at time.Time }

func (a *alarm) by(t time.Time) {
	if a.at.IsZero() || t.Before(a.at) {
		a.at = t
	}
}

// Run runs the pod. It blocks until the pod object is gone and all containers are removed, and then returns nil. A pod that ended
// by itself (Succeeded, Failed) stays, with its containers and their logs, until it is deleted. If ctx ends, Run returns its
// error and leaves the containers as they are, so that another worker can adopt them. It must be called only once.
func (w *Worker) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var helpers sync.WaitGroup
	defer func() {
		cancel()
		helpers.Wait()
		w.probes.wait()
		close(w.over)
		w.hooks.Wait()
	}()
	helpers.Go(func() { w.herald(ctx) })
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.inbox.wake:
		case <-timer.C:
		}
		for again := w.step(ctx, false); again && ctx.Err() == nil; {
			again = w.step(ctx, true)
		}
		if w.removed {
			return nil
		}
		timer.Reset(time.Until(w.alarm.at))
	}
}

// herald handles what must not wait for a blocked sync: conditions set from outside, and the removal of a force-deleted pod
// object.
func (w *Worker) herald(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.outbox.wake:
		}
		m := w.outbox.take()
		if len(m.conditions) > 0 {
			w.published.change(w.deps.Sink, func(pod *corev1.Pod) {
				for _, c := range m.conditions {
					SetCondition(&pod.Status, c, metav1.NewTime(time.Now()))
				}
			})
		}
		if m.pause != nil {
			w.published.rest(w.deps.Sink, *m.pause)
		}
		if m.forced {
			w.published.leave(w.deps.Sink)
		}
	}
}

// step reads the mail and makes one pod sync or termination step, if one is due or again is set. It reports whether the next one
// is due at once.
func (w *Worker) step(ctx context.Context, again bool) bool {
	due := w.read(w.inbox.take())
	now := time.Now()
	if !due && !again && now.Before(w.alarm.at) {
		return false
	}
	w.alarm = alarm{}
	switch {
	case w.ended && w.pod.DeletionTimestamp == nil:
		w.alarm.by(now.Add(w.deps.Relist))
		return false
	case w.ended:
		return w.remove(ctx)
	case w.ending:
		return w.terminate(ctx)
	default:
		return w.sync(ctx)
	}
}

// read handles the mail and reports whether it requires a pod sync.
func (w *Worker) read(m mail) (due bool) {
	due = m.resync || m.probe || m.pod != nil || len(m.restarts) > 0
	if m.pod != nil {
		w.takeSpec(m.pod)
	}
	for name, reason := range m.restarts {
		w.restarts[name] = reason
	}
	if m.resync {
		w.mounting.retry.reset()
	}
	if m.hurry && !w.ended {
		w.hurried = true
		due = due || w.ending
	}
	if m.forced || m.deletion != nil {
		w.takeDeletion(m)
		due = true
	}
	if m.excuse != nil {
		w.excuse = m.excuse
	}
	if m.hold != nil {
		due = w.takeHold(*m.hold) || due
	}
	for _, e := range m.events {
		due = due || w.news(e)
	}
	return due
}

// takeSpec replaces metadata and spec and keeps what belongs to the running pod.
func (w *Worker) takeSpec(pod *corev1.Pod) {
	pod.UID, pod.CreationTimestamp = w.pod.UID, w.pod.CreationTimestamp
	pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds = w.pod.DeletionTimestamp, w.pod.DeletionGracePeriodSeconds
	pod.Status = w.pod.Status
	w.pod = pod
}

// takeDeletion starts the termination of the pod (R100, R103). The first deletion determines the grace period (R102).
func (w *Worker) takeDeletion(m mail) {
	w.ending = true
	if w.pod.DeletionTimestamp != nil {
		return
	}
	at := metav1.NewTime(time.Now())
	if m.deletion != nil {
		grace := *w.pod.Spec.TerminationGracePeriodSeconds
		if m.deletion.grace != nil {
			grace = *m.deletion.grace
		}
		if grace < 0 {
			grace = 1
		}
		at = metav1.NewTime(m.deletion.at.Add(time.Duration(grace) * time.Second))
		w.pod.DeletionGracePeriodSeconds = &grace
	}
	w.pod.DeletionTimestamp = &at
}

// news reports whether an event is about a change that the last observation did not include.
func (w *Worker) news(e ContainerEvent) bool {
	if s := w.observed.Sandbox; s != nil && s.ID == e.ID {
		return e.Type != ContainerPaused && e.Type != ContainerUnpaused && s.Ready != (e.Type == ContainerStarted)
	}
	for i := range w.observed.Instances {
		inst := &w.observed.Instances[i]
		if inst.ID != e.ID {
			continue
		}
		switch e.Type {
		case ContainerStarted:
			return inst.State == Created || inst.State == Unclear
		case ContainerDied:
			return inst.State != Exited
		case ContainerPaused, ContainerUnpaused:
			return inst.Paused != (e.Type == ContainerPaused)
		default:
			return true
		}
	}
	return e.Type != ContainerRemoved
}

// look observes the pod through the runtime. After an error the next observation is due soon.
func (w *Worker) look(ctx context.Context) error {
	o, err := w.deps.Runtime.Status(ctx, w.pod)
	if err != nil {
		if ctx.Err() == nil {
			level := slog.LevelDebug
			if w.engine.wait == 0 { // once: an engine that is away is told of elsewhere
				level = slog.LevelWarn
			}
			w.log.Log(ctx, level, "cannot list the pod's containers", "error", err)
			w.alarm.by(time.Now().Add(w.engine.next()))
		}
		return err
	}
	w.engine.reset()
	w.observed = o
	if !w.looked {
		w.looked = true
		w.adopt()
	}
	return nil
}

// adopt restores the state of a previous supervisor: the back-off stored with the instances, and the pod's start time.
func (w *Worker) adopt() {
	start := time.Now()
	entries := map[string]backoff.Entry{}
	for _, i := range w.observed.Instances {
		if i.BackOff != nil && (entries[i.Container].Updated.IsZero() || i.BackOff.Updated.After(entries[i.Container].Updated)) {
			entries[i.Container] = *i.BackOff
		}
		if !i.Created.IsZero() && i.Created.Before(start) {
			start = i.Created
		}
	}
	for name, e := range entries {
		if c, _ := findContainer(&w.pod.Spec, name); c != nil {
			w.crashes.Restore(w.crashKey(c), e)
		}
	}
	if w.pod.Status.StartTime == nil {
		t := metav1.NewTime(start)
		w.pod.Status.StartTime = &t
	}
	w.pod.Status.HostIP = w.deps.Node.IP
}
