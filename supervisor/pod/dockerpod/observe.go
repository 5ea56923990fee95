package dockerpod

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/pod/composepod"
)

// Observe rebuilds the project's pods from the labels of existing containers, for a starting supervisor: metadata and spec as of
// the creation of the pod's newest container, and a status with restart counts, start and last states, but without conditions
// and probe results. Workers of these pods continue without restarts. The pods are sorted by name; containers without a
// readable manifest are skipped.
func (r *Runtime) Observe(ctx context.Context) ([]*corev1.Pod, error) {
	all, err := r.cfg.Engine.ListContainers(ctx, map[string]string{services.ProjectLabel: r.cfg.Project, services.PodUIDLabel: ""})
	if err != nil {
		return nil, err
	}
	byPod := map[string][]engine.Container{}
	for _, c := range all {
		uid := c.Labels[services.PodUIDLabel]
		byPod[uid] = append(byPod[uid], c)
	}
	var out []*corev1.Pod
	for _, list := range byPod {
		if p := r.rebuild(ctx, list); p != nil {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b *corev1.Pod) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// rebuild rebuilds a pod from its containers.
func (r *Runtime) rebuild(ctx context.Context, list []engine.Container) *corev1.Pod {
	newest, oldest := list[0], list[0]
	for _, c := range list {
		if c.Created.After(newest.Created) {
			newest = c
		}
		if c.Created.Before(oldest.Created) {
			oldest = c
		}
	}
	p := new(corev1.Pod)
	if err := json.Unmarshal([]byte(newest.Labels[ManifestLabel]), p); err != nil || p.Name == "" {
		r.cfg.Log.Warn("cannot read the pod of a container from its labels", "container", newest.Name, "error", err)
		return nil
	}
	start := metav1.NewTime(oldest.Created)
	p.Status.StartTime = &start
	if a, plain := p.Annotations[compose.Annotation]; plain {
		want, err := compose.Decode(a, r.cfg.Project)
		if err != nil {
			r.cfg.Log.Warn("cannot read the pod of a container from its labels", "container", newest.Name, "error", err)
			return nil
		}
		p.Status = composepod.Status(composepod.Input{Pod: p, Want: want, Container: &newest, Now: time.Now()})
		return p
	}
	o := r.observe(ctx, p, list)
	p.Status = pod.Status(pod.StatusInput{Pod: p, Observed: o})
	for _, statuses := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses} {
		for i := range statuses {
			running := statuses[i].State.Running != nil
			statuses[i].Started = &running
		}
	}
	return p
}
