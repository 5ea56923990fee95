package supervisor

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/images"
	"github.com/lyandev/lyandev/supervisor/innerloop"
	"github.com/lyandev/lyandev/supervisor/prepare"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/workers"
)

// newInnerLoop makes the inner loop. Network, images and store must be there; it is given the pods by SetPods.
func newInnerLoop(s *Supervisor) *innerloop.Loop {
	return innerloop.New(innerloop.Config{
		Engine: s.cfg.Engine, Instance: s.cfg.Instance, Binary: s.cfg.Binary, Log: s.log,
		Statuses: loopStatuses{s.store, s}, Images: loopImages{s.images, s},
		Event:       func(kind, name, typ, reason, message string) { s.event(kind, name, typ, reason, "%s", message) },
		Changed:     func() { s.post(lookAgain{"the inner loop"}) },
		HelperImage: s.image.Ensure, SameHost: s.podnet.SameHost, Labels: s.podnet.Labels, Times: s.times,
	})
}

// LoopRecords are the latest edits, oldest first, at most a thousand.
func (s *Supervisor) LoopRecords() []innerloop.Record { return s.inner.Records() }

// loopStatuses implements innerloop.Statuses.
type loopStatuses struct {
	*state.Store
	s *Supervisor
}

// Mark implements innerloop.Statuses.
func (l loopStatuses) Mark(ctx context.Context) (uint64, error) {
	return ask(ctx, l.s, "the number of the latest status", func() (uint64, error) { return l.Latest().Seq, nil })
}

// loopPods implements innerloop.Pods with the pods' workers.
type loopPods struct {
	workers *workers.Workers
	s       *Supervisor
}

// with calls f with the worker of a pod, and returns false when it has none any more.
func (l loopPods) with(p *corev1.Pod, f func(workers.Runner)) bool {
	w := l.workers.Get(p.Name)
	if w == nil || w.Pod().UID != p.UID {
		return false
	}
	f(w)
	return true
}

// RestartContainer implements innerloop.Pods.
func (l loopPods) RestartContainer(p *corev1.Pod, container, reason string) bool {
	return l.with(p, func(w workers.Runner) { w.RestartContainer(container, reason) })
}

// SuspendProbes implements innerloop.Pods.
func (l loopPods) SuspendProbes(p *corev1.Pod, container string) bool {
	return l.with(p, func(w workers.Runner) { w.SuspendProbes(container) })
}

// ResumeProbes implements innerloop.Pods.
func (l loopPods) ResumeProbes(p *corev1.Pod, container string) {
	l.with(p, func(w workers.Runner) { w.ResumeProbes(container) })
}

// AwaitPush implements innerloop.Pods.
func (l loopPods) AwaitPush(ctx context.Context) error {
	pushed := make(chan struct{})
	l.s.post(awaitPush{pushed})
	select {
	case <-pushed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-l.s.done:
		return context.Canceled
	}
}

// loopImages implements innerloop.Images.
type loopImages struct {
	*images.Maker
	s *Supervisor
}

// Pin implements innerloop.Images.
func (l loopImages) Pin(ctx context.Context, ref, id string, built time.Time) ([]string, error) {
	return l.s.repin(ctx, ref, id, built)
}

// repin puts an image that was just built into the pods made from its reference, and returns the workloads that it
// changed. Their controllers roll them. built is when the build began. Another writer (a switch of profiles, a restart) may
// change the wanted stack between the read and the write; repin then reads again, so that it undoes nothing.
func (s *Supervisor) repin(ctx context.Context, ref, id string, built time.Time) ([]string, error) {
	s.applying.Lock()
	defer s.applying.Unlock()
	s.saving.Lock()
	defer s.saving.Unlock()
	for saved := false; ; saved = true {
		read, err := s.wantedStack(ctx)
		if err != nil || read == nil {
			return nil, err
		}
		next, changed := repinned(read, ref, id)
		if len(changed) == 0 && !saved {
			return nil, nil
		}
		if err := s.saveStack(next); err != nil {
			return nil, err
		}
		taken, err := ask(ctx, s, "use the new image of "+ref, func() (bool, error) {
			if s.cluster.Stack() != read {
				return false, nil
			}
			return true, s.takeImages(next, built)
		})
		if err != nil || taken {
			return changed, err
		}
	}
}

// repinned is the stack with an image's new ID, and the names of the workloads that differ by it.
func repinned(stack *services.Stack, ref, id string) (next *services.Stack, changed []string) {
	next = stack.DeepCopy()
	for _, x := range next.Workloads {
		if prepare.Pin(x, ref, id) {
			changed = append(changed, x.Name())
		}
	}
	return next, changed
}

// takeImages makes a stack the wanted one that differs from the one before only in images built at that time. Called by
// the loop.
func (s *Supervisor) takeImages(stack *services.Stack, built time.Time) error {
	if err := s.cluster.Replace(stack); err != nil {
		return err
	}
	s.inner.UseImages(stack, built)
	s.inner.Use(stack)
	s.secrets.learn(stack)
	s.pods.SetStack(stack)
	return nil
}
