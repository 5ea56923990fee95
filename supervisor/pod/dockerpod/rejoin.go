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

// Rejoin puts every running container that has an address of its own and is not in the project's network back into it, under
// that address: the network was removed and made again, or the container was disconnected. What is in it stays as it is. It
// returns the names of the pods that were put back, also with an error.
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
				err = r.cfg.Engine.ConnectNetwork(ctx, r.cfg.Network, all[i].ID, ip, nil)
			}
			if err == nil {
				pods = append(pods, p.Name)
			}
			errs = append(errs, err)
		}
	}
	return pods, errors.Join(errs...)
}

// outside is the pod of a running container that should be in the network and is not, else nil.
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
