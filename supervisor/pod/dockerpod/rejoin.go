package dockerpod

import (
	"context"
	"encoding/json"
	"errors"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod"
)

// Rejoin reconnects every running container that should be in the project's network and is not, with its own address: the network
// was removed and recreated, or the container was disconnected. It returns the names of the reconnected pods, also together
// with an error.
func (r *Runtime) Rejoin(ctx context.Context) (pods []string, err error) {
	all, err := r.cfg.Engine.ListContainers(ctx, map[string]string{services.ProjectLabel: r.cfg.Project, PodUIDLabel: ""})
	if err != nil {
		return nil, err
	}
	var errs []error
	for i := range all {
		if p := r.outside(&all[i]); p != nil {
			ip, err := r.cfg.PodIP(p.Name)
			if err == nil {
				err = r.cfg.Engine.ConnectNetwork(ctx, r.cfg.Network, all[i].ID, engine.EndpointAt(ip))
			}
			if err == nil {
				pods = append(pods, p.Name)
			}
			errs = append(errs, err)
		}
	}
	return pods, errors.Join(errs...)
}

// outside returns the pod of a running container that should be in the network and is not, else nil.
func (r *Runtime) outside(c *engine.Container) *corev1.Pod {
	if _, in := c.IPs[r.cfg.Network]; in || c.State != engine.StateRunning {
		return nil
	}
	p := new(corev1.Pod)
	if err := json.Unmarshal([]byte(c.Labels[ManifestLabel]), p); err != nil || p.Spec.HostNetwork {
		return nil
	}
	if pod.NeedsSandbox(p) != (c.Labels[KindLabel] == KindSandbox) {
		return nil
	}
	return p
}
