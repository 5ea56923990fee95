package composepod

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod"
)

const (
	// relist is the time between two looks without an event; it makes up for lost events.
	relist = time.Minute
	// retryFirst and retryLast bound the pause after a failed attempt to create or start the container.
	retryFirst, retryLast = time.Second, time.Minute
	// defaultGrace is Docker's time between the stop signal and SIGKILL.
	defaultGrace = 10 * time.Second
)

// Run runs the pod. It blocks until the pod is deleted and its container removed (nil), or ctx ends (its error): then the
// container goes on.
func (w *Worker) Run(ctx context.Context) error {
	for {
		m := w.mail.take()
		w.obey(m)
		var next time.Duration
		if m.deleted {
			done, err := w.end(ctx, m.grace)
			m.answer(err)
			if done {
				w.leave()
				return nil
			}
			next = w.pause(err)
		} else {
			next = w.turn(ctx, m)
		}
		if err := w.rest(ctx, next); err != nil {
			return err
		}
	}
}

// rest blocks until there is mail, for the given time at most, or until ctx ends (its error). After a failure it does not wake for events
// of other containers: an engine that refuses a container late has made it, and tells of its removal.
func (w *Worker) rest(ctx context.Context, at time.Duration) error {
	t := time.NewTimer(at)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
			return nil
		case <-w.mail.wake:
			if w.failures == 0 || !w.mail.onlyOthers(w.id) {
				return nil
			}
		}
	}
}

// obey takes over what letters say about the pod itself.
func (w *Worker) obey(m letters) {
	if m.pod != nil {
		status := w.pod.Status
		w.pod = m.pod
		w.pod.Status = status
		w.read()
	}
	if m.hold != nil {
		w.hold = *m.hold
	}
	if m.pause != nil {
		w.probePause = *m.pause
	}
	for _, e := range m.events {
		if e.ID == w.id {
			w.heard(e)
		}
	}
	if m.excuse != nil {
		w.excuse = m.excuse
	}
	if m.restart != "" {
		w.stopped, w.unstarted, w.refused = false, false, ""
	}
	if m.stop != nil {
		w.stopped, w.begin, w.refused = *m.stop, !*m.stop, ""
		w.unstarted = w.unstarted && *m.stop
	}
}

// heard takes over an event of the pod's container, and records ends that this worker did not ask for.
func (w *Worker) heard(e pod.ContainerEvent) {
	switch e.Type {
	case pod.ContainerKilled:
		w.asked = true
	case pod.ContainerStarted:
		w.asked, w.ours = false, false
	case pod.ContainerDied:
		if w.ours {
			w.ours = false
			return
		}
		w.last = &end{id: e.ID, code: e.ExitCode}
		typ, reason, text := corev1.EventTypeWarning, "Exited", "exited"
		if w.asked && e.ExitCode > 128 {
			reason, text = "Killed", "was killed: it exited"
		}
		if e.ExitCode == 0 {
			typ = corev1.EventTypeNormal
		}
		w.event(typ, reason, fmt.Sprintf("Container %s %s with code %d", w.container(), text, e.ExitCode))
	}
}

// turn brings the container to what is wanted, and says when to look again if nothing happens.
func (w *Worker) turn(ctx context.Context, m letters) time.Duration {
	ctx, end := w.mail.abandonable(ctx)
	defer end()
	err := w.sync(ctx, m)
	c, lookErr := w.find(ctx)
	if lookErr == nil {
		w.publish(c, m.conditions)
	}
	if ctx.Err() != nil {
		m.answer(nil) // the pod is deleted
		return relist
	}
	m.answer(cmp.Or(err, lookErr))
	return w.pause(cmp.Or(err, lookErr))
}

// pause is the time until the next look: relist, or after failures a time that doubles.
func (w *Worker) pause(err error) time.Duration {
	if err == nil {
		w.failures = 0
		return relist
	}
	w.failures++
	return min(retryFirst<<min(w.failures-1, 10), retryLast)
}

// sync does what has to be done to the container.
func (w *Worker) sync(ctx context.Context, m letters) error {
	c, err := w.find(ctx)
	if err != nil {
		return err
	}
	if c != nil && !w.stopped && w.hold == "" {
		if c, err = w.renew(ctx, c, m.names); err != nil {
			return err
		}
	}
	switch {
	case w.unstarted && (c == nil || c.State == engine.StateCreated):
		return w.makeOnly(ctx, c)
	case w.stopped:
		return w.stop(ctx, c, m)
	case w.refused != "":
		return nil
	case c == nil && w.finished():
		return nil // its work is done; somebody removed the container
	case w.hold != "" && (c == nil || !runs(c)):
		if c == nil || c.State == engine.StateCreated || w.begin {
			w.waiting = &pod.WaitError{Reason: pod.ReasonHeld, Message: w.hold}
		}
		return nil
	case c == nil:
		return w.make(ctx)
	case m.restart != "" && c.State != engine.StateCreated:
		w.event(corev1.EventTypeNormal, "Killing", fmt.Sprintf("Container %s %s, will be restarted", w.container(), m.restart))
		return w.again(ctx, c, m.stopGrace, m.restart)
	case c.State == engine.StateCreated, w.begin && !runs(c):
		w.begin = false
		return w.startAfterHooks(ctx, c.ID, c.State == engine.StateCreated)
	}
	return nil
}

// runs reports whether the container runs, or the engine is about to restart it.
func runs(c *engine.Container) bool {
	return c.State == engine.StateRunning || c.State == engine.StatePaused || c.State == engine.StateRestarting
}

// finished reports whether the container ended by itself with success.
func (w *Worker) finished() bool {
	return w.pod.Status.Phase == corev1.PodSucceeded && w.pod.Status.Reason != services.ReasonStopped
}

// container is the name of the pod's container.
func (w *Worker) container() string { return w.pod.Spec.Containers[0].Name }

// find returns the pod's container, nil if there is none. If there are several, which only a killed attempt to create one
// leaves behind, it is the newest.
func (w *Worker) find(ctx context.Context) (*engine.Container, error) {
	list, err := w.deps.Engine.ListContainers(ctx, map[string]string{
		services.ProjectLabel: w.deps.Project, services.PodUIDLabel: string(w.pod.UID),
	})
	if err != nil {
		return nil, err
	}
	var found *engine.Container
	for i := range list {
		if list[i].State != engine.StateRemoving && (found == nil || list[i].Created.After(found.Created)) {
			found = &list[i]
		}
	}
	w.id = ""
	if found != nil {
		w.id = found.ID
	}
	return found, nil
}

// stop stops the container, and keeps it.
func (w *Worker) stop(ctx context.Context, c *engine.Container, m letters) error {
	if c == nil || !runs(c) {
		w.waiting = nil
		if c == nil || c.State == engine.StateCreated {
			w.waiting = &pod.WaitError{Reason: services.ReasonStopped, Message: "it was stopped"}
		}
		w.asked = true
		return nil
	}
	w.event(corev1.EventTypeNormal, "Killing", "Stopping container "+w.container())
	return w.halt(ctx, c.ID, m.stopGrace)
}

// halt runs the pre_stop hooks and stops the container.
func (w *Worker) halt(ctx context.Context, id string, grace *int64) error {
	w.asked, w.ours = true, true
	for _, h := range w.want.PreStop {
		if err := w.hook(ctx, id, h); err != nil {
			w.event(corev1.EventTypeWarning, "FailedPreStopHook", err.Error())
			break
		}
	}
	wait := defaultGrace
	switch {
	case grace != nil:
		wait = time.Duration(*grace) * time.Second
	case w.want.StopGrace != nil:
		wait = *w.want.StopGrace
	}
	return w.deps.Engine.StopContainer(ctx, id, "", wait)
}

// again stops and starts the container: the same one, with its writable layer and its log. why is who asked for it.
func (w *Worker) again(ctx context.Context, c *engine.Container, grace *int64, why string) error {
	if runs(c) {
		if err := w.halt(ctx, c.ID, grace); err != nil {
			return err
		}
		ended, err := w.deps.Engine.InspectContainer(ctx, c.ID)
		if err != nil {
			return err
		}
		w.last = &end{id: c.ID, code: ended.ExitCode, why: why}
	}
	return w.start(ctx, c.ID, false)
}

// end stops and removes the pod's containers. done is true when none is left.
func (w *Worker) end(ctx context.Context, grace *int64) (done bool, err error) {
	for {
		c, err := w.find(ctx)
		if c == nil || err != nil {
			return c == nil && err == nil, err
		}
		if runs(c) {
			w.event(corev1.EventTypeNormal, "Killing", "Stopping container "+w.container())
			if err := w.haltUnlessHurried(ctx, c.ID, grace); err != nil {
				return false, err
			}
		}
		if err := w.remove(ctx, c); err != nil {
			return false, err
		}
	}
}

// haltUnlessHurried stops the container; a deletion with a shorter grace that arrives meanwhile shortens the wait.
func (w *Worker) haltUnlessHurried(ctx context.Context, id string, grace *int64) error {
	shorter, cancel := context.WithCancel(ctx)
	defer cancel()
	w.mail.mu.Lock()
	w.mail.cancel = func() {
		if w.mail.m.grace != nil && (grace == nil || *w.mail.m.grace < *grace) {
			cancel()
		}
	}
	w.mail.mu.Unlock()
	err := w.halt(shorter, id, grace)
	w.mail.mu.Lock()
	w.mail.cancel = nil
	now := w.mail.m.grace
	w.mail.mu.Unlock()
	if errors.Is(err, context.Canceled) && ctx.Err() == nil {
		return w.deps.Engine.StopContainer(ctx, id, "", time.Duration(*now)*time.Second)
	}
	return err
}

// event records an event of the container.
func (w *Worker) event(eventType, reason, message string) {
	w.deps.Sink.Event(w.Pod(), w.container(), eventType, reason, message)
}

// leave reports that the pod is gone.
func (w *Worker) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.gone {
		w.gone = true
		w.deps.Sink.Gone(w.published.DeepCopy())
	}
}
