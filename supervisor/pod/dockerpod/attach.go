package dockerpod

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
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
	list, err := r.attachments(p)
	if err != nil {
		return "", err
	}
	id, err := r.cfg.Engine.CreateContainer(ctx, spec)
	if err != nil || spec.Network != r.cfg.Network {
		return id, err
	}
	if spec.Labels[services.KindLabel] == KindInit {
		nameless(list)
	}
	if _, err := r.joinNetworks(ctx, id, list, nil); err != nil {
		_ = r.cfg.Engine.RemoveContainer(context.WithoutCancel(ctx), id)
		return "", err
	}
	return id, nil
}

// joinNetworks connects a container to those networks of the list that it is not in, and counts them.
func (r *Runtime) joinNetworks(ctx context.Context, id string, list []compose.Attachment, in []string) (made int, err error) {
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

// joinNamelessly connects a one-off container of a pod's service to the further networks of the pod, without the service's names.
func (r *Runtime) joinNamelessly(ctx context.Context, p *corev1.Pod, id string) error {
	list, err := r.attachments(p)
	if err != nil {
		return err
	}
	nameless(list)
	_, err = r.joinNetworks(ctx, id, list, nil)
	return err
}

// nameless takes the names away from attachments: an init container or a one-off container does not serve.
func nameless(list []compose.Attachment) {
	for i := range list {
		list[i].Settings.Aliases = nil
	}
}
