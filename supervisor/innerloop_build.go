package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/build"
	"github.com/lyandev/lyandev/supervisor/prepare"
	"github.com/lyandev/lyandev/supervisor/state"
)

// rebuild does a task of a build: makes the image, and pins it in the pods made from it, which their controllers then
// roll. A newer change cancels a build that goes on, and the wait for the pods. A failed build leaves everything as it is.
func (l *innerLoop) rebuild(ctx context.Context, t *task) error {
	l.mu.Lock()
	stack := l.stack
	l.mu.Unlock()
	b := stack.Build(t.build)
	if b == nil {
		return nil // the stack has changed meanwhile
	}
	r := newRecord(t)
	began := time.Now()
	result, err := l.s.buildOne(ctx, stack, b)
	r.Built = time.Since(began)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		l.offerAll(t.instead)
		r.Actions = []string{actionRebuild}
		l.finish(t, r, fmt.Errorf("%w; what ran goes on", err))
		return err
	}
	r.Actions = []string{actionRebuild}
	rolled, err := l.s.repin(ctx, b.Image, result.ImageID, began)
	if err != nil || len(rolled) == 0 {
		l.offerAll(t.instead)
	}
	if err == nil {
		l.rebuildUsers(stack, b, t)
		began = time.Now()
		err = l.awaitRollouts(ctx, rolled, result.ImageID, r)
		r.Ready = time.Since(began)
	}
	if errors.Is(err, errSuperseded) {
		err = nil // the image is in use; the next build rolls the pods once more
		r.Actions = append(r.Actions, "superseded")
	}
	if l.ctx.Err() != nil {
		return context.Cause(l.ctx)
	}
	l.finish(t, r, err)
	return err
}

// rebuildUsers rebuilds what is built upon an image (additional_contexts service:NAME).
func (l *innerLoop) rebuildUsers(stack *services.Stack, b *services.Build, t *task) {
	for _, other := range stack.Builds {
		for _, v := range other.AdditionalContexts {
			if name, ok := strings.CutPrefix(v, "service:"); ok && name == b.Name {
				l.offer(&task{build: other.Name, paths: t.paths, seen: t.seen, complete: t.complete})
			}
		}
	}
}

// buildOne makes one image and shows its progress in the snapshot beside the others.
func (s *Supervisor) buildOne(ctx context.Context, stack *services.Stack, b *services.Build) (build.Result, error) {
	s.post(func() {
		fresh := state.Build{Name: b.Name, Image: b.Image, State: "waiting", Started: time.Now()}
		if i := slices.IndexFunc(s.builds, func(o state.Build) bool { return o.Name == b.Name }); i >= 0 {
			s.builds[i] = fresh
		} else {
			s.builds = append(s.builds, fresh)
		}
	})
	return s.cfg.Builder.Build(ctx, b, build.Options{Refs: build.RefsOf(stack.Builds)}, s.showBuild)
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
		read, err := ask(ctx, s, func() (*services.Stack, error) { return s.world.stack, nil })
		if err != nil || read == nil {
			return nil, err
		}
		next, changed := repinned(read, ref, id)
		if len(changed) == 0 && !saved {
			return nil, nil
		}
		if err := s.remember(next); err != nil {
			return nil, err
		}
		taken, err := ask(ctx, s, func() (bool, error) {
			if s.world.stack != read {
				return false, nil
			}
			s.takeImages(next, built)
			return true, nil
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
func (s *Supervisor) takeImages(stack *services.Stack, built time.Time) {
	s.inner.useImages(stack, built)
	s.inner.use(stack)
	s.world.stack = stack
	s.secrets.learn(stack)
	s.pods.SetStack(stack)
}

// awaitRollouts waits until the workloads have as many pods of the image as they want, all ready; a rollout that is stuck
// is an error, and goes on trying.
func (l *innerLoop) awaitRollouts(ctx context.Context, names []string, image string, r *LoopRecord) error {
	for _, name := range names {
		n, err := l.awaitRollout(ctx, name, image)
		r.Pods += n
		if err != nil {
			return err
		}
	}
	return nil
}

// rolloutPatience is how long a rollout may take before the edit is logged without it.
const rolloutPatience = 15 * time.Minute

func (l *innerLoop) awaitRollout(ctx context.Context, name, image string) (pods int, err error) {
	seq, err := l.mark(ctx)
	if err != nil {
		return 0, err
	}
	limit, cancel := context.WithTimeout(ctx, rolloutPatience)
	defer cancel()
	for s := range l.s.store.Subscribe(limit) {
		if s.Seq <= seq {
			continue
		}
		w, ok := s.Workload(name)
		if !ok {
			return 0, nil
		}
		list := ofImage(staying(s, name), image)
		if ready := countReady(list); ready >= int(w.Want) {
			return ready, nil
		}
		if why := stuck(s, name, list); why != "" {
			return 0, errors.New(why)
		}
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	return 0, fmt.Errorf("the pods of %s are not all new and ready after %s", name, rolloutPatience)
}

func ofImage(pods []*corev1.Pod, image string) []*corev1.Pod {
	return slices.DeleteFunc(pods, func(p *corev1.Pod) bool {
		return !slices.ContainsFunc(slices.Concat(p.Spec.InitContainers, p.Spec.Containers), func(c corev1.Container) bool { return c.Image == image })
	})
}

func countReady(pods []*corev1.Pod) int {
	n := 0
	for _, p := range pods {
		if state.PodReady(p) {
			n++
		}
	}
	return n
}

// stuck says why a rollout does not go on: a new pod's container ends again and again, or its deadline has passed.
func stuck(s *state.Snapshot, name string, pods []*corev1.Pod) string {
	for _, w := range s.Warnings {
		if strings.HasPrefix(w, "rollout of "+name+" is stuck") {
			return w
		}
	}
	for _, p := range pods {
		for _, c := range p.Status.ContainerStatuses {
			if w := c.State.Waiting; w != nil && w.Reason == "CrashLoopBackOff" && c.LastTerminationState.Terminated != nil {
				return fmt.Sprintf("new pod %s does not start: container %s ended with exit code %d; the old pods go on serving; see `lyandev logs %s`",
					p.Name, c.Name, c.LastTerminationState.Terminated.ExitCode, p.Name)
			}
		}
	}
	return ""
}
