package dockerpod

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod"
)

// CreateContainer implements pod.Containers. The files of config volumes are in place when it returns.
func (r *Runtime) CreateContainer(ctx context.Context, q pod.CreateRequest) (string, error) {
	spec, err := r.spec(ctx, q)
	if err != nil {
		return "", err
	}
	plan, err := r.mounts(q)
	if err != nil {
		return "", err
	}
	spec.Mounts = append(spec.Mounts, plan.mounts...)
	for _, v := range plan.volumes {
		if err := r.makeVolume(ctx, v); err != nil {
			return "", err
		}
	}
	if err := r.messageMount(q.Container, &spec); err != nil {
		return "", err
	}
	if r.cfg.Wrap != nil {
		if err := r.cfg.Wrap(ctx, q.Pod, q.Container, &spec); err != nil {
			return "", err
		}
	}
	id, err := r.create(ctx, q.Pod, spec)
	if err != nil {
		return "", err
	}
	if err := r.fill(ctx, id, q, spec, plan); err != nil {
		_ = r.cfg.Engine.RemoveContainer(context.WithoutCancel(ctx), id)
		return "", err
	}
	return id, nil
}

// create creates a container under its name. If a leftover of the same pod has the name, it is removed; if another container has
// it (of a force-deleted pod of that name, or a foreign one), the pod's UID is added to the name.
func (r *Runtime) create(ctx context.Context, p *corev1.Pod, spec engine.ContainerSpec) (string, error) {
	if r.cfg.Warn != nil {
		spec.Warn = func(text string) { r.cfg.Warn(p.Name, text) }
	}
	id, err := r.createAttached(ctx, p, spec)
	if !engine.IsConflict(err) {
		return id, err
	}
	holder, lookErr := r.cfg.Engine.InspectContainer(ctx, spec.Name)
	ours := lookErr == nil && holder.Labels[services.ProjectLabel] == r.cfg.Project && holder.Labels[services.PodUIDLabel] == string(p.UID)
	if ours && holder.State != engine.StateRunning && holder.Labels[AttemptLabel] == spec.Labels[AttemptLabel] {
		if err := r.cfg.Engine.RemoveContainer(ctx, holder.ID); err != nil {
			return "", err
		}
	} else if lookErr == nil {
		spec.Name = fit(spec.Name + "-" + string(p.UID)[:min(5, len(p.UID))])
	}
	return r.createAttached(ctx, p, spec)
}

// StartContainer implements pod.Containers.
func (r *Runtime) StartContainer(ctx context.Context, p *corev1.Pod, id string) error {
	err := r.beforeStart(ctx, p, id)
	if err == nil {
		err = r.startAddressed(ctx, id)
	}
	if err != nil && ctx.Err() == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.failed[id] = startFailure{at: time.Now(), text: err.Error()}
	}
	return err
}

func (r *Runtime) beforeStart(ctx context.Context, p *corev1.Pod, id string) error {
	if r.cfg.BeforeStart == nil {
		return nil
	}
	c, err := r.cfg.Engine.InspectContainer(ctx, id)
	if err != nil {
		return err
	}
	if err := r.cfg.BeforeStart(ctx, id, p, c.Labels[services.ContainerLabel]); err != nil {
		return fmt.Errorf("cannot write synced files: %w", err)
	}
	return nil
}

// addressWait is how long an address may stay in use after its container has ended.
const addressWait = 3 * time.Second

// startAddressed starts a container, and retries while its address is still in use by its predecessor.
func (r *Runtime) startAddressed(ctx context.Context, id string) error {
	deadline := time.Now().Add(addressWait)
	for {
		err := r.cfg.Engine.StartContainer(ctx, id)
		if err == nil || !strings.Contains(err.Error(), "Address already in use") || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// StopContainer implements pod.Containers.
func (r *Runtime) StopContainer(ctx context.Context, _ *corev1.Pod, id string, grace time.Duration) error {
	r.mu.Lock()
	r.stopped[id] = true
	r.mu.Unlock()
	return r.cfg.Engine.StopContainer(ctx, id, "", grace)
}

// RemoveContainer implements pod.Containers.
func (r *Runtime) RemoveContainer(ctx context.Context, p *corev1.Pod, id string) error {
	if err := r.removeMessage(ctx, id); err != nil {
		return err
	}
	left := r.hasLeft(ctx, p, id)
	if err := r.cfg.Engine.RemoveContainer(ctx, id); err != nil {
		return err
	}
	if left {
		r.removeUnused(ctx, p)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.failed, id)
	delete(r.stopped, id)
	delete(r.processes, id)
	delete(r.messages, id)
	return nil
}
