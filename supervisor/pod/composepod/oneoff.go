package composepod

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/engine"
)

// CreateOneOff creates a container as the worker of a pod would, with its configs and secrets, and returns its ID without starting
// it. Nobody looks after it: the caller starts, stops and removes it. The image must be there, and the container must have a name.
// deps.Labels must not give it the labels of a pod, by which workers find their containers. Volumes, Sink and BeforeStart are not
// used.
func CreateOneOff(ctx context.Context, p *corev1.Pod, deps Deps) (id string, err error) {
	deps.Volumes = nil
	w := New(p, deps)
	if w.broken != "" {
		return "", errors.New(w.broken)
	}
	spec, err := w.spec(ctx)
	if err != nil {
		return "", err
	}
	if id, err = deps.Engine.CreateContainer(ctx, spec); err != nil {
		if holder, lookErr := deps.Engine.InspectContainer(ctx, spec.Name); engine.IsConflict(err) && lookErr == nil {
			err = NameTaken(spec.Name, &holder)
		}
		return "", err
	}
	if err := w.files(ctx, id); err != nil {
		return "", errors.Join(err, deps.Engine.RemoveContainer(context.WithoutCancel(ctx), id))
	}
	return id, nil
}
