package pod

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/probe"
)

// graceOf is the time a stop may take (R84): the deletion's, else that of the probe that asked for it, else the pod's.
func graceOf(pod *corev1.Pod, c *corev1.Container, cause probe.Type, override *int64) time.Duration {
	grace := pod.Spec.TerminationGracePeriodSeconds
	if cause != "" && c != nil {
		if p := cause.Of(c); p != nil && p.TerminationGracePeriodSeconds != nil {
			grace = p.TerminationGracePeriodSeconds
		}
	}
	if override != nil {
		grace = override
	}
	return time.Duration(*grace) * time.Second
}

// stopping is one stop to carry out.
type stopping struct {
	inst Instance
	// container is nil for an instance whose container is not in the spec any more.
	container *corev1.Container
	message   string
	grace     time.Duration
	// turn, if set, blocks until the container's turn has come, left has passed, or ctx has ended (R117).
	turn func(ctx context.Context, left time.Duration)
}

// stop ends one instance: event, preStop, its turn, then the signal with what remains of the grace, in whole seconds
// and at least two (R93, R101).
func (w *Worker) stop(ctx context.Context, s stopping) error {
	w.event(s.inst.Container, corev1.EventTypeNormal, "Killing", s.message)
	left := s.grace
	if h := preStopOf(s.container); h != nil && left > 0 {
		left -= elapsed(func() { w.preStop(ctx, s, h) })
	}
	if s.turn != nil && left > 0 {
		left -= elapsed(func() { s.turn(ctx, left) })
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return w.deps.Runtime.StopContainer(ctx, w.pod, s.inst.ID, max(left, minimumGrace))
}

// elapsed is how long f took, cut to whole seconds.
func elapsed(f func()) time.Duration {
	began := time.Now()
	f()
	return time.Since(began).Truncate(time.Second)
}

func preStopOf(c *corev1.Container) *corev1.LifecycleHandler {
	if c == nil || c.Lifecycle == nil {
		return nil
	}
	return c.Lifecycle.PreStop
}

// preStop runs the hook and waits for it no longer than the grace; then it is left to itself (R93), until the worker ends.
// Its failure is only told (R94), also when it fails later, as a command does whose container has been killed.
func (w *Worker) preStop(ctx context.Context, s stopping, h *corev1.LifecycleHandler) {
	hook, cancel := context.WithCancel(context.WithoutCancel(ctx))
	target := w.target(s.inst.ID)
	w.hooks.Go(func() {
		defer cancel()
		if err := w.deps.Probes.RunHook(hook, h, s.container, target); err != nil && hook.Err() == nil {
			w.log.Info("preStop hook failed", "container", s.inst.Container, "error", err)
			w.event(s.inst.Container, corev1.EventTypeWarning, "FailedPreStopHook", "PreStopHook failed")
		}
	})
	w.hooks.Go(func() {
		select {
		case <-w.over:
			cancel()
		case <-hook.Done():
		}
	})
	timer := time.NewTimer(s.grace)
	defer timer.Stop()
	select {
	case <-hook.Done():
	case <-timer.C:
		w.log.Info("preStop hook took longer than the grace period", "container", s.inst.Container)
	case <-ctx.Done():
		cancel()
	}
}

func (w *Worker) target(id string) probe.Target {
	return probe.Target{PodIP: w.address(), ContainerID: id}
}

// killAll stops every running instance, all at once but for the turns of sidecars (R104, R117). It reports whether
// there were any, and why some of them could not be stopped, which is also logged.
func (w *Worker) killAll(ctx context.Context, override *int64) (acted bool, err error) {
	var running []Instance
	for _, inst := range w.observed.Instances {
		if inst.State == Running || inst.State == Unclear {
			running = append(running, inst)
		}
	}
	t := newTurns(&w.pod.Spec, running)
	errs := make(chan error, len(running))
	for _, inst := range running {
		c, _ := findContainer(&w.pod.Spec, inst.Container)
		s := stopping{
			inst: inst, container: c, message: "Stopping container " + inst.Container,
			grace: graceOf(w.pod, c, "", override),
			turn:  func(ctx context.Context, left time.Duration) { t.wait(ctx, inst.Container, left) },
		}
		go func() {
			err := w.stop(ctx, s)
			t.ended(inst.ID)
			errs <- err
		}()
	}
	for range running {
		err = errors.Join(err, <-errs)
	}
	if err != nil && ctx.Err() == nil {
		w.log.Warn("cannot stop all containers of the pod", "error", err)
	}
	return len(running) > 0, err
}
