package workers

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/probe"
)

// killLimit bounds the kill of what is being stopped when somebody is in a hurry.
const killLimit = 10 * time.Second

// Delete ends a pod: preStop hooks and the stop signal, with a grace period in seconds (nil is the pod's), or 1 s after Hurry. The worker ends once
// the pod's containers are removed; the pod's address is free then. Whoever wants traffic to stop before the pod does takes
// the pod out of the endpoint table first: nothing of the pod is stopped before this call.
func (w *Workers) Delete(name string, grace *int64) {
	x := w.Get(name)
	if x == nil {
		return
	}
	w.mu.Lock()
	hurried := w.hurried
	w.mu.Unlock()
	if hurried {
		// Not 0: that makes the pod go at once, and its containers would outlive the supervisor, which ends with its last pod.
		x.Delete(new(int64(1)))
		return
	}
	x.Delete(grace)
}

// Hurry kills all containers of the stack's pods, and makes later calls of Delete end pods with a grace of 1 s. It is for a
// stack that is being stopped: containers of pods that are not being deleted are started again. Wait waits for it.
func (w *Workers) Hurry() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hurried = true
	if !w.closed {
		w.running.Go(w.killAll)
	}
}

func (w *Workers) killAll() {
	ctx, cancel := context.WithTimeout(w.ctx, killLimit)
	defer cancel()
	list, err := w.cfg.Engine.ListContainers(ctx, map[string]string{services.ProjectLabel: w.cfg.Project, services.PodUIDLabel: ""})
	if err != nil {
		w.log.Warn("cannot kill the stack's containers; each ends with its grace period", "error", err)
		return
	}
	for _, c := range list {
		_ = w.cfg.Engine.KillContainer(ctx, c.ID, "SIGKILL") // it may have ended by itself
	}
}

// Update replaces a pod's metadata and spec; see pod.Worker.Update.
func (w *Workers) Update(p *corev1.Pod) {
	if x := w.Get(p.Name); x != nil {
		x.Update(p)
	}
}

// SetCondition sets a condition of a pod's status, as of a readiness gate.
func (w *Workers) SetCondition(name string, c corev1.PodCondition) {
	if x := w.Get(name); x != nil {
		x.SetCondition(c)
	}
}

// PauseProbes begins, changes or ends a pause of a pod's probes; see pod.Worker.PauseProbes and composepod.Worker.PauseProbes.
func (w *Workers) PauseProbes(name string, p pod.Pause) {
	if x := w.Get(name); x != nil {
		x.PauseProbes(p)
	}
}

// ProbeReadiness runs a pod's readiness probes now and does not wait for their results; see pod.Worker.ProbeReadiness. It does
// nothing for a plain pod, whose health the engine checks.
func (w *Workers) ProbeReadiness(name string) {
	if x, ok := w.Get(name).(*pod.Worker); ok {
		x.ProbeReadiness()
	}
}

// ProbeAnswers are the last answers of every pod's probes, by pod name: up to ten a probe, oldest first.
func (w *Workers) ProbeAnswers() map[string][]probe.Answer {
	out := map[string][]probe.Answer{}
	for name, x := range w.all() {
		out[name] = x.ProbeAnswers()
	}
	return out
}

// LoseSandbox notes that what a pod's containers shared is gone with the engine; see dockerpod.Runtime.LoseSandbox.
func (w *Workers) LoseSandbox(p *corev1.Pod) { w.runtime.LoseSandbox(p) }

// Rejoin puts the pods' running containers back into the network after it was made again. It blocks until that is done; see
// dockerpod.Runtime.Rejoin.
func (w *Workers) Rejoin(ctx context.Context, except map[string]bool) (pods []string, err error) {
	return w.runtime.Rejoin(ctx, except)
}
