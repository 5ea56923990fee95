package workers

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod/composepod"
	"github.com/lyandev/lyandev/supervisor/pod/dockerpod"
)

// CreatePlainOneOff creates a container of a plain service that is no pod's, with the labels given; see composepod.CreateOneOff. stack
// has the contents of its configs and secrets.
func (w *Workers) CreatePlainOneOff(ctx context.Context, p *corev1.Pod, stack *services.Stack, labels map[string]string) (id string, err error) {
	deps := w.plainDeps()
	objects := &Objects{}
	objects.Set(stack)
	deps.Objects, deps.Labels = objects, func(*corev1.Pod) map[string]string { return labels }
	return composepod.CreateOneOff(ctx, p, deps)
}

// CreateOneOff creates a container of a pod template that is no pod's; see dockerpod.Runtime.CreateOneOff. stack has the objects that
// the template refers to. It is abandoned when Wait is called.
func (w *Workers) CreateOneOff(ctx context.Context, o dockerpod.OneOff, stack *services.Stack) (id string, err error) {
	objects := &Objects{}
	objects.Set(stack)
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return "", errors.New("the supervisor is ending")
	}
	w.running.Add(1)
	defer w.running.Done()
	o.Objects, o.Node = objects, w.node()
	w.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(w.ctx, cancel)()
	return w.runtime.CreateOneOff(ctx, o)
}

// SweepOneOffs removes what one-off containers that are gone had besides themselves.
func (w *Workers) SweepOneOffs(ctx context.Context) error { return w.runtime.SweepOneOffs(ctx) }

// oneOffEvent removes the sandbox and the volumes of a one-off container that was removed.
func (w *Workers) oneOffEvent(e engine.Event) {
	if e.Type != "destroy" || e.Labels[dockerpod.OneOffLabel] == "" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	w.running.Go(func() {
		if err := w.SweepOneOffs(w.ctx); err != nil && w.ctx.Err() == nil {
			w.log.Warn("cannot remove what a container of lyandev run left", "container", e.Labels[dockerpod.OneOffLabel], "error", err)
		}
	})
}
