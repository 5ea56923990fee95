package pod

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/backoff"
	"github.com/lyandev/lyandev/supervisor/timeline"
)

// crashKey names what a restart back-off belongs to: another image or other resources begin anew (R71).
func (w *Worker) crashKey(c *corev1.Container) string {
	return fmt.Sprintf("%s %s %s", c.Name, c.Image, c.Resources.String())
}

// start starts one container of the pod, unless its back-off holds it (R60 to R63, R71, R79, R90 to R92). started says
// that an instance was made. An error is the reason by which the container waits; it is remembered for the status.
func (w *Worker) start(ctx context.Context, s Start) (started bool, err error) {
	name := s.Container.Name
	entry, held := w.held(s)
	if held != nil {
		w.reasons[name] = *held
		return false, held
	}
	started, err = w.launch(ctx, s, entry)
	if err == nil {
		delete(w.reasons, name)
		delete(w.restarts, name)
		return started, nil
	}
	if ctx.Err() != nil {
		return started, err
	}
	var reason *WaitError
	if !errors.As(err, &reason) {
		reason = &WaitError{Reason: ReasonCreateError, Message: err.Error()}
	}
	w.reasons[name] = *reason
	return started, err
}

// held asks the back-off (R71, R82). It gives the entry that the new instance begins with, or the reason to wait.
func (w *Worker) held(s Start) (*backoff.Entry, *WaitError) {
	key := w.crashKey(s.Container)
	if s.ByHand {
		w.crashes.Forget(key)
		return nil, nil
	}
	if s.Exited.IsZero() {
		return nil, nil
	}
	if w.excuse.has(s.Exited) {
		if e, ok := w.crashes.Entry(key); ok {
			return &e, nil
		}
		return nil, nil
	}
	now := time.Now()
	w.expire(key, now)
	d := w.crashes.Attempt(key, s.Exited, now)
	if d.Start {
		e, _ := w.crashes.Entry(key)
		return &e, nil
	}
	w.alarm.by(d.Until)
	name, pod := s.Container.Name, fmt.Sprintf("%s_%s(%s)", w.pod.Name, w.pod.Namespace, w.pod.UID)
	w.event(name, corev1.EventTypeWarning, "BackOff", fmt.Sprintf("Back-off restarting failed container %s in pod %s", name, pod))
	return nil, &WaitError{
		Reason:  ReasonCrashLoopBackOff,
		Message: fmt.Sprintf("back-off %s restarting failed container=%s pod=%s", d.Wait, name, pod),
	}
}

// expire drops an entry that nothing has touched for longer than R73 allows. The kubelet's housekeeping does so too: a
// container that ends after 598 s is held at first, and let go at the next retry after 600 s {pod-crashloop-reset}.
func (w *Worker) expire(key string, now time.Time) {
	limit := w.deps.BackOff.Expire
	if limit <= 0 {
		limit = backoff.DefaultExpire
	}
	if e, ok := w.crashes.Entry(key); ok && now.Sub(e.Updated) > limit {
		w.crashes.Forget(key)
	}
}

// launch brings one instance up: image, configuration, create, start, postStart.
func (w *Worker) launch(ctx context.Context, s Start, entry *backoff.Entry) (created bool, err error) {
	name := s.Container.Name
	end := timeline.Begin(ctx, timeline.Pod, timeline.StepImage, name)
	img, err := w.ensureImage(ctx, s.Container)
	end()
	if err != nil {
		return false, w.failed(ctx, name, err)
	}
	req, err := w.request(s, img, entry)
	if err != nil {
		return false, w.failed(ctx, name, err)
	}
	end = timeline.Begin(ctx, timeline.Pod, timeline.StepCreate, name)
	id, err := w.deps.Runtime.CreateContainer(ctx, req)
	end()
	if err != nil {
		return false, w.failed(ctx, name, err)
	}
	w.mounting.retry.reset()
	w.event(name, corev1.EventTypeNormal, "Created", "Container created")
	end = timeline.Begin(ctx, timeline.Pod, timeline.StepStart, name)
	err = w.deps.Runtime.StartContainer(ctx, w.pod, id)
	end()
	if err != nil {
		w.event(name, corev1.EventTypeWarning, "Failed", "Error: "+err.Error())
		return true, &WaitError{Reason: ReasonRunError, Message: err.Error()}
	}
	w.engine.reset()
	w.event(name, corev1.EventTypeNormal, "Started", "Container started")
	return true, w.postStart(ctx, s.Container, id)
}

// failed tells why a container could not be created; it is tried again after a while (R61, R142).
func (w *Worker) failed(ctx context.Context, name string, err error) error {
	if ctx.Err() != nil {
		return err
	}
	var mount *MountError
	if errors.As(err, &mount) {
		return w.mounting.refused(w, err)
	}
	text := err.Error()
	var reason *WaitError
	if errors.As(err, &reason) && strings.Contains(reason.Reason, "Image") {
		text = reason.Reason
	}
	w.event(name, corev1.EventTypeWarning, "Failed", "Error: "+text)
	w.alarm.by(time.Now().Add(configRetry))
	return err
}

// postStart runs the hook to its end, without a timeout; its failure stops the container (R90, R92).
func (w *Worker) postStart(ctx context.Context, c *corev1.Container, id string) error {
	if c.Lifecycle == nil || c.Lifecycle.PostStart == nil {
		return nil
	}
	end := timeline.Begin(ctx, timeline.Pod, timeline.StepHook, c.Name)
	err := w.deps.Probes.RunHook(ctx, c.Lifecycle.PostStart, c, w.target(id))
	end()
	if err == nil || ctx.Err() != nil {
		return err
	}
	w.event(c.Name, corev1.EventTypeWarning, "FailedPostStartHook", "PostStartHook failed")
	stopErr := w.stop(ctx, stopping{
		inst: Instance{Container: c.Name, ID: id, State: Running}, container: c, message: "FailedPostStartHook",
		grace: graceOf(w.pod, c, "", nil),
	})
	if stopErr != nil && ctx.Err() == nil {
		w.log.Warn("cannot stop a container whose postStart hook failed", "container", c.Name, "error", stopErr)
	}
	return &WaitError{Reason: ReasonPostStartError, Message: err.Error()}
}
