package innerloop

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/timeline"
)

// rebuild runs the task of a build: it builds the image and pins it in the stack; the controllers then roll the pods. A newer
// change cancels the build, or the wait for the pods. A failed build changes nothing.
func (l *Loop) rebuild(ctx context.Context, t *task) error {
	l.mu.Lock()
	stack := l.stack
	l.mu.Unlock()
	b := stack.Build(t.build)
	if b == nil {
		return nil // the stack has no such build any more
	}
	r := l.newRecord(t)
	began := time.Now()
	result, err := l.cfg.Images.Build(ctx, stack, b)
	r.spent(&r.Built, began)
	if ctx.Err() != nil {
		r.over(time.Now(), timeline.ErrDropped)
		return context.Cause(ctx)
	}
	if err != nil {
		l.offerAll(t.instead)
		r.Actions = []string{actionRebuild}
		l.finish(t, r, fmt.Errorf("%w; the running pods are unchanged", err))
		return err
	}
	r.Actions = []string{actionRebuild}
	rolled, err := l.cfg.Images.Pin(ctx, b.Image, result.ImageID, began)
	if err != nil || len(rolled) == 0 {
		l.offerAll(t.instead)
	}
	if err == nil {
		l.replaced(rolled)
		l.rebuildUsers(stack, b, t)
		began = time.Now()
		err = l.awaitRollouts(ctx, rolled, result.ImageID, r)
		r.spent(&r.Ready, began)
	}
	if errors.Is(err, errSuperseded) {
		err = nil // the image is pinned; the next build rolls the pods again
		r.Actions = append(r.Actions, "superseded")
	}
	if l.ctx.Err() != nil {
		return context.Cause(l.ctx)
	}
	l.finish(t, r, err)
	return err
}

// rebuildUsers rebuilds the images that are built from an image (additional_contexts service:NAME).
func (l *Loop) rebuildUsers(stack *services.Stack, b *services.Build, t *task) {
	for _, other := range stack.Builds {
		for _, v := range other.AdditionalContexts {
			if name, ok := strings.CutPrefix(v, "service:"); ok && name == b.Name {
				l.offer(&task{build: other.Name, paths: t.paths, seen: t.seen, complete: t.complete})
			}
		}
	}
}

// awaitRollouts waits until each workload has as many settled pods of the image as it wants. A stuck rollout is an error; the
// controllers go on trying.
func (l *Loop) awaitRollouts(ctx context.Context, names []string, image string, r *Record) error {
	for _, name := range names {
		n, err := l.awaitRollout(ctx, name, image)
		r.Pods += n
		if err != nil {
			return err
		}
	}
	return nil
}

// rolloutPatience limits the wait for a rollout. The rollout itself goes on.
const rolloutPatience = 15 * time.Minute

func (l *Loop) awaitRollout(ctx context.Context, name, image string) (pods int, err error) {
	seq, err := l.cfg.Statuses.Mark(ctx)
	if err != nil {
		return 0, err
	}
	limit, cancel := context.WithTimeout(ctx, rolloutPatience)
	defer cancel()
	for s := range l.cfg.Statuses.Subscribe(limit) {
		if s.Seq <= seq {
			continue
		}
		w, ok := s.Workload(name)
		if !ok {
			return 0, nil
		}
		list := ofImage(staying(s, name), image)
		if ready := countSettled(list); ready >= int(w.Want) {
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

func countSettled(pods []*corev1.Pod) int {
	n := 0
	for _, p := range pods {
		if settled(p) {
			n++
		}
	}
	return n
}

// stuck returns why a rollout makes no progress, "" if it may: a new pod's container crashes, or the deadline has passed.
func stuck(s *state.Status, name string, pods []*corev1.Pod) string {
	for _, w := range s.Warnings {
		if strings.HasPrefix(w, "rollout of "+name+" is stuck") {
			return w
		}
	}
	for _, p := range pods {
		if why := failedPlain(p); why != "" {
			return why
		}
		for _, c := range p.Status.ContainerStatuses {
			if w := c.State.Waiting; w != nil && w.Reason == crashLoop && c.LastTerminationState.Terminated != nil {
				return fmt.Sprintf("new pod %s does not start: container %s ended with exit code %d; the old pods keep serving; see `lyandev logs %s`",
					p.Name, c.Name, c.LastTerminationState.Terminated.ExitCode, p.Name)
			}
		}
	}
	return ""
}
