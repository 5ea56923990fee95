package dockerpod

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
)

// attachments are the Docker networks that a pod is attached to beside the project's network, where its service has peers with
// Compose's semantics. Where the pod has names, its own name is one of them.
func (r *Runtime) attachments(p *corev1.Pod) ([]compose.Attachment, error) {
	list, err := compose.DecodeNetworks(p.Annotations[compose.NetworksAnnotation], r.cfg.Project)
	for i := range list {
		aliases := &list[i].Settings.Aliases
		if len(*aliases) == 0 {
			continue
		}
		*aliases = append(*aliases, hostname(p))
		if p.Spec.Subdomain != "" {
			*aliases = append(*aliases, hostname(p)+"."+p.Spec.Subdomain)
		}
	}
	return list, err
}

// createAttached creates a container and, if it carries the pod's addresses, attaches it to the further networks of the pod. After
// an error nothing is left.
func (r *Runtime) createAttached(ctx context.Context, p *corev1.Pod, spec engine.ContainerSpec) (string, error) {
	id, err := r.cfg.Engine.CreateContainer(ctx, spec)
	if err != nil || spec.Network != r.cfg.Network {
		return id, err
	}
	if _, err := r.attach(ctx, p, id, nil); err != nil {
		_ = r.cfg.Engine.RemoveContainer(context.WithoutCancel(ctx), id)
		return "", err
	}
	return id, nil
}

// attach connects a container of a pod to those of the pod's further networks that it is not in, and counts them.
func (r *Runtime) attach(ctx context.Context, p *corev1.Pod, id string, in []string) (made int, err error) {
	list, err := r.attachments(p)
	if err != nil {
		return 0, err
	}
	for _, a := range list {
		if slices.Contains(in, a.Network) {
			continue
		}
		if err := r.cfg.Engine.ConnectNetwork(ctx, a.Network, id, a.Settings); err != nil {
			return made, err
		}
		made++
	}
	return made, nil
}
