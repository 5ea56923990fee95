package pod

import (
	"context"
	"slices"
	"time"
)

// terminate ends a pod that is being deleted or has done its work: the containers that still run are stopped with one
// grace period for all, then the sandbox, and the final phase is shown (R100 to R107). It reports whether more is due
// at once.
func (w *Worker) terminate(ctx context.Context) bool {
	if err := w.look(ctx); err != nil {
		return false
	}
	w.publish(true)
	w.probes.terminating()
	stopped, err := w.stopEverything(ctx)
	if err == nil {
		w.probes.ended() // before the next look: nothing is left to probe, and a try would only fail (R17)
	}
	if stopped {
		if err := w.look(ctx); err != nil {
			return false
		}
	}
	if slices.ContainsFunc(w.observed.Instances, func(i Instance) bool { return i.State == Running }) {
		w.publish(false)
		w.alarm.by(time.Now().Add(w.engine.next()))
		return w.inbox.waiting()
	}
	if err := w.deps.Runtime.StopSandbox(ctx, w.pod); err != nil {
		if ctx.Err() == nil {
			w.log.Warn("cannot stop the pod's sandbox", "error", err)
			w.alarm.by(time.Now().Add(w.engine.next()))
		}
		return false
	}
	w.ended = true
	w.publish(false)
	return true
}

// stopEverything stops all running containers, with the deletion's grace period, or a very short one after Hurry. It reports
// whether any was running, and an error if one may still be running.
func (w *Worker) stopEverything(ctx context.Context) (bool, error) {
	grace := w.endGrace()
	short, cancel := context.WithCancel(ctx)
	defer cancel()
	if w.hurried {
		grace = new(int64(1))
	} else {
		w.inbox.hurriable(cancel)
		defer w.inbox.hurriable(nil)
	}
	return w.killAll(short, grace)
}

// endGrace is the grace period of the pod's end: the deletion's, or the pod's own. It is at least a second, so preStop hooks
// run also where the pod's own is 0.
func (w *Worker) endGrace() *int64 {
	grace := w.pod.DeletionGracePeriodSeconds
	if grace == nil {
		grace = w.pod.Spec.TerminationGracePeriodSeconds
	}
	return new(max(*grace, 1))
}

// remove removes the containers, sandbox and volumes of a deleted pod that has ended, and ends the worker.
func (w *Worker) remove(ctx context.Context) bool {
	if err := w.deps.Runtime.RemovePod(ctx, w.pod); err != nil {
		if ctx.Err() == nil {
			w.log.Warn("cannot remove the pod's containers and volumes", "error", err)
			w.alarm.by(time.Now().Add(w.engine.next()))
		}
		return false
	}
	w.removed = true
	w.published.leave(w.deps.Sink)
	return false
}
