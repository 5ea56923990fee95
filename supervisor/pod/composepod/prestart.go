package composepod

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/docker/docker/api/types/container"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod"
)

const (
	// ReasonPreStart is the reason of a failed pod whose pre_start hook failed.
	ReasonPreStart = "PreStartHookError"
	// hookKind is the kind of the containers of pre_start hooks.
	hookKind = "hook"
)

// PreStarts lets one container of a service at a time run the service's pre_start hooks. Its zero value is ready; its methods may
// be called from any goroutine.
type PreStarts struct {
	mu    sync.Mutex
	gates map[string]chan struct{}
}

// enter blocks until nobody else is in the gate of a service or ctx ends, and returns a function that leaves it.
func (p *PreStarts) enter(ctx context.Context, service string) (leave func(), err error) {
	if p == nil {
		return func() {}, nil
	}
	p.mu.Lock()
	if p.gates == nil {
		p.gates = map[string]chan struct{}{}
	}
	gate := p.gates[service]
	if gate == nil {
		gate = make(chan struct{}, 1)
		p.gates[service] = gate
	}
	p.mu.Unlock()
	select {
	case gate <- struct{}{}:
		return func() { <-gate }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// startAfterHooks runs the pre_start hooks unless a container of the service runs, as Docker Compose does, and starts the
// container. After a hook that fails the container stays as it is until somebody starts it. first says that it has never run.
func (w *Worker) startAfterHooks(ctx context.Context, id string, first bool) error {
	if len(w.want.PreStart) == 0 {
		return w.start(ctx, id, first)
	}
	c, err := w.find(ctx)
	if err != nil {
		return err
	}
	w.waiting = &pod.WaitError{Reason: pod.ReasonContainerCreating, Message: "its pre_start hooks run"}
	w.publish(c, nil)
	leave, err := w.deps.PreStarts.enter(ctx, w.want.Service)
	if err != nil {
		return err
	}
	defer leave()
	list, err := w.deps.Engine.ListContainers(ctx, w.serviceLabels("container"))
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(list, func(c engine.Container) bool { return runs(&c) }) {
		if err := w.preStart(ctx, id); err != nil {
			if ctx.Err() == nil {
				w.refused, w.waiting = err.Error(), nil
				w.event(corev1.EventTypeWarning, "FailedPreStartHook", err.Error())
			}
			return nil
		}
	}
	return w.start(ctx, id, first)
}

// serviceLabels select the containers of a kind of the pod's service.
func (w *Worker) serviceLabels(kind string) map[string]string {
	return map[string]string{
		services.ProjectLabel: w.deps.Project, services.WorkloadLabel: w.pod.Labels[services.WorkloadLabel], services.KindLabel: kind,
	}
}

// preStart runs the pre_start hooks, one after the other, each in a container of its own with the networks and the volumes of the
// pod's container. It blocks until the last has ended, one has failed, or ctx ends.
func (w *Worker) preStart(ctx context.Context, id string) error {
	left, err := w.deps.Engine.ListContainers(ctx, w.serviceLabels(hookKind))
	if err != nil {
		return err
	}
	for _, c := range left { // of a supervisor that was killed
		if err := w.deps.Engine.RemoveContainer(ctx, c.ID); err != nil {
			return err
		}
	}
	for i, h := range w.want.PreStart {
		if err := w.preStartHook(ctx, id, i, h); err != nil {
			return err
		}
	}
	return nil
}

func (w *Worker) preStartHook(ctx context.Context, id string, number int, h compose.PreStart) error {
	what := fmt.Sprintf("pre_start hook %d (%q) of service %s", number+1, strings.Join(h.Command, " "), w.want.Service)
	spec, err := w.hookSpec(ctx, id, number, h)
	if err != nil {
		return fmt.Errorf("cannot run %s: %w", what, err)
	}
	hook, err := w.deps.Engine.CreateContainer(ctx, spec)
	if err != nil {
		return fmt.Errorf("cannot run %s: %w", what, err)
	}
	defer func() { _ = w.deps.Engine.RemoveContainer(context.WithoutCancel(ctx), hook) }() // else the next run removes it
	return RunToEnd(ctx, w.deps.Engine, hook, what)
}

// hookSpec is what the engine is asked for a pre_start hook.
func (w *Worker) hookSpec(ctx context.Context, id string, number int, h compose.PreStart) (engine.ContainerSpec, error) {
	image := h.Image
	if image == "" {
		image = w.pod.Spec.Containers[0].Image
	}
	host := w.want.Host
	if _, err := w.join(ctx, &host); err != nil {
		return engine.ContainerSpec{}, err
	}
	name := fmt.Sprintf("%s-%s-pre-start-%d", w.deps.Project, w.want.Service, number+1)
	return engine.ContainerSpec{
		Name: name, Image: image, Labels: w.serviceLabels(hookKind),
		Exact: &engine.Exact{
			Config: container.Config{
				Cmd: h.Command, User: h.User, WorkingDir: h.WorkingDir, Env: append(slices.Clone(w.want.Config.Env), h.Env...),
			},
			Host: container.HostConfig{
				NetworkMode: host.NetworkMode, Privileged: h.Privileged, VolumesFrom: []string{id},
			},
			Networks: Attachments(w.want, name),
		},
	}, nil
}
