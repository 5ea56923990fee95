package dockerpod

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/pod/composepod"
)

// Rejoin reconnects every running container to the networks that it should be in and is not, with its own address in the project's
// network: a network was removed and made again, or the container was disconnected. The containers in except, by ID, are left as
// they are: a drill or a test disconnected them. It returns the names of the reconnected pods, also together with an error.
func (r *Runtime) Rejoin(ctx context.Context, except map[string]bool) (pods []string, err error) {
	all, err := r.cfg.Engine.ListContainers(ctx, map[string]string{services.ProjectLabel: r.cfg.Project, services.PodUIDLabel: ""})
	if err != nil {
		return nil, err
	}
	var errs []error
	for i := range all {
		if except[all[i].ID] {
			continue
		}
		if name, back, err := r.rejoinPlain(ctx, &all[i]); back {
			pods = append(pods, name)
		} else if err != nil {
			errs = append(errs, err)
		}
		if p := carried(&all[i]); p != nil {
			back, err := r.rejoinPod(ctx, p, &all[i])
			if back {
				pods = append(pods, p.Name)
			}
			errs = append(errs, err)
		}
	}
	return pods, errors.Join(errs...)
}

// rejoinPod reconnects the container that carries a pod's addresses. back is true if it was connected to a network.
func (r *Runtime) rejoinPod(ctx context.Context, p *corev1.Pod, c *engine.Container) (back bool, err error) {
	if _, in := c.IPs[r.cfg.Network]; !in {
		ip, err := r.cfg.PodIP(p.Name)
		if err == nil {
			err = r.cfg.Engine.ConnectNetwork(ctx, r.cfg.Network, c.ID, engine.EndpointAt(ip))
		}
		if err != nil {
			return false, err
		}
		back = true
	}
	list, err := r.attachments(p)
	if err != nil {
		return back, err
	}
	made, err := r.joinNetworks(ctx, c.ID, list, slices.Collect(maps.Keys(c.Networks)))
	return back || made > 0, err
}

// carried returns the pod of Kubernetes' semantics whose addresses a running container has, nil if it has none.
func carried(c *engine.Container) *corev1.Pod {
	if c.State != engine.StateRunning {
		return nil
	}
	p := new(corev1.Pod)
	if err := json.Unmarshal([]byte(c.Labels[ManifestLabel]), p); err != nil || p.Spec.HostNetwork {
		return nil
	}
	if _, plain := p.Annotations[compose.Annotation]; plain {
		return nil
	}
	if pod.NeedsSandbox(p) != (c.Labels[services.KindLabel] == KindSandbox) {
		return nil
	}
	return p
}

// rejoinPlain reconnects a running container of a plain Compose service to the networks of its service that it is not in. back is
// true if it was connected to one.
func (r *Runtime) rejoinPlain(ctx context.Context, c *engine.Container) (pod string, back bool, err error) {
	p := new(corev1.Pod)
	if c.State != engine.StateRunning || json.Unmarshal([]byte(c.Labels[ManifestLabel]), p) != nil || !services.PlainPod(p) {
		return "", false, nil
	}
	want, err := compose.Decode(p.Annotations[compose.Annotation], r.cfg.Project)
	if err != nil {
		return p.Name, false, err
	}
	for _, a := range composepod.Attachments(want, c.Name) {
		if _, in := c.Networks[a.Network]; in {
			continue
		}
		if err := r.cfg.Engine.ConnectNetwork(ctx, a.Network, c.ID, a.Settings); err != nil {
			return p.Name, back, err
		}
		back = true
	}
	return p.Name, back, nil
}
