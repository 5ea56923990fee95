package innerloop

import (
	"context"
	"errors"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/build"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
	"github.com/lyandev/lyandev/supervisor/prepare"
	"github.com/lyandev/lyandev/supervisor/state"
)

// Latest implements Statuses.
func (r *rig) Latest() *state.Status { return r.store.Latest() }

// Subscribe implements Statuses.
func (r *rig) Subscribe(ctx context.Context) <-chan *state.Status { return r.store.Subscribe(ctx) }

// Mark implements Statuses.
func (r *rig) Mark(context.Context) (uint64, error) { return r.store.Latest().Seq, nil }

// RestartContainer implements Pods.
func (r *rig) RestartContainer(p *corev1.Pod, container, _ string) bool {
	r.note("restart the container of %s", p.Name)
	r.wg.Go(func() {
		at, _ := targetOf(r.store.Latest().Pod(p.Name), container)
		_ = r.eng.RemoveContainer(r.ctx, at.id)
		r.change(p.Name, func(p *corev1.Pod) {
			p.Status.ContainerStatuses = nil
			setReady(p, corev1.ConditionFalse)
		})
		r.startContainer(p)
	})
	return true
}

// SuspendProbes implements Pods.
func (r *rig) SuspendProbes(p *corev1.Pod, _ string) bool {
	r.mu.Lock()
	before := r.suspended[p.Name]
	r.suspended[p.Name] = true
	r.mu.Unlock()
	if !before {
		r.note("%s is out of service", p.Name)
		r.change(p.Name, func(p *corev1.Pod) { setReady(p, corev1.ConditionFalse) })
	}
	return true
}

// ResumeProbes implements Pods.
func (r *rig) ResumeProbes(p *corev1.Pod, _ string) {
	r.mu.Lock()
	before := r.suspended[p.Name]
	delete(r.suspended, p.Name)
	r.mu.Unlock()
	if before {
		r.wg.Go(func() { r.becomeReady(p.Name) })
	}
}

// AwaitPush implements Pods.
func (r *rig) AwaitPush(ctx context.Context) error {
	r.note("push")
	select {
	case <-time.After(10 * time.Millisecond):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Build implements Images: an image takes ten seconds.
func (r *rig) Build(ctx context.Context, _ *services.Stack, b *services.Build) (build.Result, error) {
	r.note("build %s", b.Name)
	select {
	case <-time.After(10 * time.Second):
	case <-ctx.Done():
		r.note("the build is cancelled")
		return build.Result{}, context.Cause(ctx)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.buildFails != nil {
		return build.Result{}, r.buildFails
	}
	return build.Result{Name: b.Name, Image: b.Image, ImageID: r.eng.AddImage(b.Image, enginefake.Image{})}, nil
}

// Pin implements Images: pods are replaced one by one, each when the next one is ready.
func (r *rig) Pin(_ context.Context, ref, id string, built time.Time) ([]string, error) {
	r.mu.Lock()
	next := r.stack.DeepCopy()
	if !prepare.Pin(next.Workload("web"), ref, id) {
		r.mu.Unlock()
		return nil, errors.New("nothing was pinned")
	}
	r.stack = next
	var old []string
	for name := range r.pods {
		old = append(old, name)
	}
	slices.Sort(old)
	r.mu.Unlock()
	r.note("pin")
	r.loop.UseImages(next, built)
	r.loop.Use(next)
	r.publish()
	r.wg.Go(func() {
		for _, name := range old {
			r.newPod(name + "-new")
			if r.wait(3 * time.Second); r.ctx.Err() != nil {
				return
			}
			r.remove(name)
		}
	})
	return []string{"web"}, nil
}
