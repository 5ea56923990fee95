package pod

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/timeline"
)

// sync is one pod sync (R60): look, publish, decide, do. It reports whether another one is due at once, because this
// one changed what runs.
func (w *Worker) sync(ctx context.Context) bool {
	whole := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer w.inbox.interruptible(nil)
	if !w.inbox.interruptible(cancel) {
		return true
	}
	w.probes.cover(whole, w.pod)
	if err := w.look(ctx); err != nil {
		return ctx.Err() != nil
	}
	w.publish(true)
	if w.overdue() || Final(Phase(w.pod, &w.pod.Status, true, false)) {
		w.ending = true
		return true
	}
	a := Compute(Input{Pod: w.pod, Observed: w.observed, Result: w.probes.result, Restarts: w.restarts})
	w.withhold(&a)
	if !a.None() {
		w.log.Debug("pod sync", "actions", a.String())
	}
	w.refresh(ctx)
	before := maps.Clone(w.reasons)
	acted := w.do(ctx, a)
	if !acted { // otherwise the next sync comes at once, and knows what the new instances do
		w.publishWaits(before)
	}
	w.alarm.by(time.Now().Add(w.deps.Relist))
	return acted || ctx.Err() != nil
}

// refresh brings changed configMaps and secrets to the containers that mount them (R143).
func (w *Worker) refresh(ctx context.Context) {
	refresher, able := w.deps.Runtime.(Refresher)
	files, err := w.volumes()
	if !able || err != nil || len(files) == 0 {
		return
	}
	old := w.files
	w.files = files
	if old == nil || reflect.DeepEqual(old, files) {
		return
	}
	for _, inst := range w.observed.Instances {
		c, _ := findContainer(&w.pod.Spec, inst.Container)
		if inst.State != Running || c == nil {
			continue
		}
		if err := refresher.RefreshFiles(ctx, w.pod, c, inst.ID, files); err != nil && ctx.Err() == nil {
			w.log.Warn("cannot update changed files in a container", "container", c.Name, "error", err)
			w.files = old
			w.alarm.by(time.Now().Add(configRetry))
		}
	}
}

// overdue is R105: the pod was active longer than activeDeadlineSeconds. If it is not yet, it is looked at then.
func (w *Worker) overdue() bool {
	limit := w.pod.Spec.ActiveDeadlineSeconds
	if limit == nil || w.pod.Status.StartTime == nil {
		return false
	}
	at := w.pod.Status.StartTime.Add(time.Duration(*limit) * time.Second)
	if time.Now().Before(at) {
		w.alarm.by(at)
		return false
	}
	w.expired = true
	w.event("", corev1.EventTypeNormal, ReasonDeadlineExceeded, messageDeadlineExceeded)
	return true
}

// do carries the actions out, in their order. It reports whether anything was changed. ctx ends early when the pod is deleted.
func (w *Worker) do(ctx context.Context, a Actions) bool {
	acted := false
	if a.SandboxChanged && a.CreateSandbox {
		w.event("", corev1.EventTypeNormal, "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
	}
	if a.KillPod {
		var err error
		if acted, err = w.killAll(ctx, nil); err != nil {
			w.alarm.by(time.Now().Add(w.engine.next()))
			return acted
		}
	}
	for _, k := range a.Kill {
		if ctx.Err() != nil {
			return true
		}
		acted = true
		w.doKill(ctx, k)
	}
	if a.CreateSandbox {
		if !w.makeSandbox(ctx, a) {
			return acted
		}
		acted = true
	}
	w.clear(ctx, a.Purge)
	for _, s := range a.Start {
		if ctx.Err() != nil {
			return true
		}
		started, err := w.start(ctx, s)
		acted = acted || started
		if err != nil && s.Init && !isSidecarOf(&w.pod.Spec, s.Container.Name) {
			break
		}
	}
	w.clear(ctx, a.Remove)
	return acted
}

// doKill stops one instance; an error leaves it for the next look.
func (w *Worker) doKill(ctx context.Context, k Kill) {
	grace := graceOf(w.pod, k.Container, k.Probe, nil)
	if err := w.stop(ctx, stopping{inst: k.Instance, container: k.Container, message: k.Message, grace: grace}); err != nil && ctx.Err() == nil {
		w.log.Warn("cannot stop a container", "container", k.Instance.Container, "error", err)
		w.alarm.by(time.Now().Add(w.engine.next()))
	}
	delete(w.reasons, k.Instance.Container)
}

// makeSandbox makes the shared part, once the contents of all volumes are known (R142).
func (w *Worker) makeSandbox(ctx context.Context, a Actions) bool {
	if _, err := w.volumes(); err != nil {
		w.mounting.failed(w, err)
		return false
	}
	w.mounting.retry.reset()
	clear(w.reasons)
	end := timeline.Begin(ctx, timeline.Pod, timeline.StepSandbox, "")
	ip, err := w.deps.Runtime.RunSandbox(ctx, w.pod, a.SandboxAttempt)
	end()
	if err != nil {
		if ctx.Err() == nil {
			w.event("", corev1.EventTypeWarning, "FailedCreatePodSandBox", fmt.Sprintf("Failed to create pod sandbox: %v", err))
			w.alarm.by(time.Now().Add(w.engine.next()))
		}
		return false
	}
	w.engine.reset()
	w.observed.Sandbox = &Sandbox{Ready: true, Attempt: a.SandboxAttempt, IP: ip}
	w.published.change(w.deps.Sink, func(*corev1.Pod) { w.published.sandboxReady = true })
	return true
}

// clear removes dead instances and forgets them.
func (w *Worker) clear(ctx context.Context, dead []Instance) {
	for _, inst := range dead {
		if err := w.deps.Runtime.RemoveContainer(ctx, w.pod, inst.ID); err != nil {
			if ctx.Err() == nil {
				w.log.Warn("cannot remove a dead container", "container", inst.Container, "error", err)
			}
			continue
		}
		kept := w.observed.Instances[:0:0]
		for _, o := range w.observed.Instances {
			if o.ID != inst.ID {
				kept = append(kept, o)
			}
		}
		w.observed.Instances = kept
	}
}

// mounting is the retrying of volumes that cannot be filled (R142).
type mounting struct{ retry retry }

// failed tells why no container can start, and when it is tried again.
func (m *mounting) failed(w *Worker, err error) {
	wait := m.refused(w, err)
	for _, list := range [][]corev1.Container{w.pod.Spec.InitContainers, w.pod.Spec.Containers} {
		for i := range list {
			w.reasons[list[i].Name] = *wait
		}
	}
}

// refused says by an event that a volume cannot be mounted, sets when it is tried again, and returns why a container waits.
func (m *mounting) refused(w *Worker, err error) *WaitError {
	w.event("", corev1.EventTypeWarning, "FailedMount", err.Error())
	m.retry.first, m.retry.last = mountRetryFirst, mountRetryLast
	w.alarm.by(time.Now().Add(m.retry.next()))
	reason := ReasonContainerCreating
	if len(w.pod.Spec.InitContainers) > 0 {
		reason = ReasonPodInitializing
	}
	return &WaitError{Reason: reason, Message: err.Error()}
}

// publish makes the status of what the last look saw, lets the probes fill in their part, and shows it. trigger is R15.
func (w *Worker) publish(trigger bool) { w.show(&trigger, w.reasons) }

// publishWaits shows new waiting reasons without a look, so the probes are not asked again. Reasons of before that have
// gone stay until the next look shows what has come of them.
func (w *Worker) publishWaits(before map[string]WaitError) {
	maps.Copy(before, w.reasons)
	w.show(nil, before)
}

func (w *Worker) show(trigger *bool, waits map[string]WaitError) {
	in := StatusInput{Pod: w.pod, Observed: w.observed, Waits: waits, Ended: w.ended}
	if w.expired {
		in.Reason, in.Message = ReasonDeadlineExceeded, messageDeadlineExceeded
	}
	w.published.change(w.deps.Sink, func(pod *corev1.Pod) {
		// What was laid over the status since the last sync must not be lost.
		w.pod.Status.Conditions = pod.Status.Conditions
		w.pod.Status.ContainerStatuses = pod.Status.ContainerStatuses
		w.pod.Status.InitContainerStatuses = pod.Status.InitContainerStatuses
		in.Pod = w.pod
		s := Status(in)
		if trigger != nil {
			w.probes.update(&s, *trigger)
		}
		w.published.sandboxReady = w.observed.Sandbox != nil && w.observed.Sandbox.Ready && !w.ended
		*pod = *w.pod.DeepCopy()
		pod.Status = s
	})
	w.pod.Status = w.published.get().Status
}

// event passes an event on.
func (w *Worker) event(container, eventType, reason, message string) {
	w.published.event(w.deps.Sink, container, eventType, reason, message)
}
