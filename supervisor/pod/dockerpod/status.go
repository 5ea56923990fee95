package dockerpod

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod"
)

// list lists the pod's containers, sandboxes included.
func (r *Runtime) list(ctx context.Context, p *corev1.Pod) ([]engine.Container, error) {
	return r.cfg.Engine.ListContainers(ctx, map[string]string{services.ProjectLabel: r.cfg.Project, services.PodUIDLabel: string(p.UID)})
}

// Status implements pod.Sandboxes.
func (r *Runtime) Status(ctx context.Context, p *corev1.Pod) (pod.Observed, error) {
	all, err := r.list(ctx, p)
	if err != nil {
		return pod.Observed{}, err
	}
	return r.observe(ctx, p, all), nil
}

// observe turns a pod's Docker containers into what a worker sees.
func (r *Runtime) observe(ctx context.Context, p *corev1.Pod, all []engine.Container) pod.Observed {
	var o pod.Observed
	for i := range all {
		c := &all[i]
		if c.Labels[services.KindLabel] == KindSandbox {
			r.observeSandbox(c, &o)
		} else if c.State != engine.StateRemoving {
			o.Instances = append(o.Instances, r.instance(ctx, p, c))
		}
	}
	if o.Sandbox == nil && !pod.NeedsSandbox(p) {
		r.observeBare(p, &o)
	}
	return o
}

// observeBare takes the sandbox of a pod that has no container for it into account.
func (r *Runtime) observeBare(p *corev1.Pod, o *pod.Observed) {
	r.mu.Lock()
	s, known := r.sandboxes[string(p.UID)]
	r.mu.Unlock()
	if !known && len(o.Instances) == 0 {
		return
	}
	for _, i := range o.Instances {
		s.attempt = max(s.attempt, i.Sandbox)
	}
	o.Sandbox = &pod.Sandbox{Ready: !s.lost, Attempt: s.attempt, IP: r.address(p)}
}

// address is the pod's pinned address, "" if it has none yet.
func (r *Runtime) address(p *corev1.Pod) string {
	if p.Spec.HostNetwork {
		return p.Status.HostIP
	}
	ip, err := r.cfg.PodIP(p.Name)
	if err != nil {
		return ""
	}
	return ip.String()
}

// observeSandbox takes a sandbox container into account if it is the newest.
func (r *Runtime) observeSandbox(c *engine.Container, o *pod.Observed) {
	attempt := number(c.Labels[SandboxLabel])
	if o.Sandbox != nil && o.Sandbox.Attempt > attempt {
		return
	}
	o.Sandbox = &pod.Sandbox{ID: c.ID, Ready: c.State == engine.StateRunning || c.State == engine.StatePaused, Attempt: attempt, Created: c.Created}
	if ip, ok := c.IPs[r.cfg.Network]; ok && ip.IsValid() {
		o.Sandbox.IP = ip.String()
	}
}

// instance is one container as a worker sees it.
func (r *Runtime) instance(ctx context.Context, p *corev1.Pod, c *engine.Container) pod.Instance {
	i := pod.Instance{
		Container: c.Labels[services.ContainerLabel], ID: c.ID, Attempt: number(c.Labels[AttemptLabel]),
		Sandbox: number(c.Labels[SandboxLabel]), Image: c.Image, ImageID: c.ImageID,
		Created: c.Created, Started: c.Started, Finished: c.Exited, BackOff: backOffOf(c),
	}
	r.mu.Lock()
	failure, failed := r.failed[c.ID]
	stopped := r.stopped[c.ID]
	r.mu.Unlock()
	switch c.State {
	case engine.StateRunning, engine.StatePaused, engine.StateRestarting:
		i.State, i.Paused = pod.Running, c.State == engine.StatePaused
	case engine.StateCreated:
		i.State = pod.Created
		if failed {
			i.State, i.ExitCode, i.Reason, i.Message = pod.Exited, 128, "StartError", failure.text
			i.Finished = failure.at
		}
	default:
		i.State, i.ExitCode = pod.Exited, int32(c.ExitCode)
		// The flag also stays set after an OOM kill of a child; only that of process 1 ends in 137 (20.10 to 28).
		if c.ExitCode == 137 && !stopped && r.oomKilled(ctx, c) {
			i.Reason = "OOMKilled"
		}
		i.Message = r.message(ctx, p, c)
	}
	return i
}

// oomKilled is the engine's flag. On cgroup v1 it may come a moment after the exit, so a kill that has only just happened
// is looked at again, for 200 ms at most.
func (r *Runtime) oomKilled(ctx context.Context, c *engine.Container) bool {
	for range 4 {
		if c.OOMKilled || time.Since(c.Exited) > time.Second {
			return c.OOMKilled
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(50 * time.Millisecond):
		}
		again, err := r.cfg.Engine.InspectContainer(ctx, c.ID)
		if err != nil {
			return false
		}
		c = &again
	}
	return c.OOMKilled
}
