package supervisor

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/pod/dockerpod"
	"github.com/lyandev/lyandev/supervisor/state"
)

// Observe tells what runs of an instance when no supervisor does: pods from the labels of their containers, with the addresses that
// Docker knows, without what only a supervisor knows (readiness, holds).
func Observe(ctx context.Context, eng engine.Engine, i *instance.Instance) (*state.Status, error) {
	unknown := func(pod string) (netip.Addr, error) {
		return netip.Addr{}, fmt.Errorf("cannot tell the address of pod %s: no supervisor is running", pod)
	}
	r := dockerpod.New(dockerpod.Config{Engine: eng, Project: i.Name, Network: i.Name + "_default", PodIP: unknown})
	pods, err := r.Observe(ctx)
	if err != nil {
		return nil, err
	}
	if err := showAddresses(ctx, eng, i, pods); err != nil {
		return nil, err
	}
	showSaved(i, pods)
	return &state.Status{
		Time: time.Now(), Project: i.Name, Dir: i.Dir, Phase: state.Stopped, Pods: pods,
		Message: "no supervisor runs, so nothing is probed, restarted or updated: `lyandev up` takes it over as it is, `lyandev down` stops it",
	}, nil
}

// showAddresses gives pods the addresses that their running containers have in the networks of the instance.
func showAddresses(ctx context.Context, eng engine.Engine, i *instance.Instance, pods []*corev1.Pod) error {
	list, err := eng.ListContainers(ctx, map[string]string{services.ProjectLabel: i.Name, services.PodUIDLabel: ""})
	if err != nil {
		return err
	}
	for _, p := range pods {
		for _, c := range list {
			if c.Labels[services.PodUIDLabel] != string(p.UID) || p.Status.PodIP != "" {
				continue
			}
			for _, name := range slices.Sorted(maps.Keys(c.IPs)) {
				if c.IPs[name].IsValid() {
					p.Status.PodIP = c.IPs[name].String()
					break
				}
			}
		}
	}
	return nil
}

// SavedAt is when the stack of an instance was written down last: at its last apply or update. It is zero if none was.
func SavedAt(i *instance.Instance) time.Time {
	info, err := os.Stat(filepath.Join(i.Home(), savedStack))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
