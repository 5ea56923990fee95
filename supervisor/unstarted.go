package supervisor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/pod"
)

// applyUnstarted makes a prepared stack the wanted one, as Apply does, with NoStart. It blocks until the containers are there, one
// cannot be made, or ctx ends.
func (s *Supervisor) applyUnstarted(ctx context.Context, stack *services.Stack, opts ApplyOptions, warnings []string) (Applied, error) {
	answer, err := ask(ctx, s, "create containers", func() (Applied, error) {
		s.cluster.Unstarted = true
		s.useWay(opts.Way)
		for _, x := range stack.Workloads {
			if !x.Plain() && s.cluster.Released(x.Name()) == nil && (len(opts.Only) == 0 || slices.Contains(opts.Only, x.Name())) {
				s.cluster.Suspensions.AddByHand(x.Name(), fmt.Sprintf("was not started; `lyandev start %s` starts it", x.DisplayName()))
			}
		}
		if err := s.saveStopped(); err != nil {
			return Applied{}, err
		}
		n, err := s.takeApplied(stack)
		return Applied{Applied: n, Warnings: warnings}, err
	})
	if err != nil {
		return answer, err
	}
	err = s.await(ctx, func() (bool, error) { return s.allMade(stack, opts.Only) })
	return answer, errors.Join(err, s.change(context.WithoutCancel(ctx), "create containers", func() error {
		s.cluster.Unstarted = false
		return nil
	}))
}

// allMade reports whether the plain workloads of a stack, those of only if there are any, have all their containers. The error says why
// one cannot be made. Called by the loop.
func (s *Supervisor) allMade(stack *services.Stack, only []string) (bool, error) {
	made := true
	for _, x := range stack.Workloads {
		if !x.Plain() || len(only) > 0 && !slices.Contains(only, x.Name()) {
			continue
		}
		pods := s.cluster.PodsOf(x.Name())
		made = made && len(pods) >= int(x.Replicas())
		for _, p := range pods {
			if why := cannotBeMade(p); why != "" {
				return false, fmt.Errorf("cannot create the containers of %s: %s", x.DisplayName(), why)
			}
			made = made && p.DeletionTimestamp == nil && hasContainer(p)
		}
	}
	return made, nil
}

// hasContainer reports whether the container of a plain pod is there.
func hasContainer(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.ContainerStatuses, func(c corev1.ContainerStatus) bool { return c.ContainerID != "" })
}

// cannotBeMade is why the container of a plain pod cannot be made without somebody's help, "" if it may be.
func cannotBeMade(p *corev1.Pod) string {
	for _, c := range p.Status.ContainerStatuses {
		if w := c.State.Waiting; w != nil && slices.Contains([]string{
			services.ReasonInvalid, pod.ReasonErrImageNeverPull, pod.ReasonErrImagePull, pod.ReasonCreateError,
		}, w.Reason) {
			return w.Message
		}
	}
	return ""
}

// neverRan reports whether the container of a plain pod waits for somebody to start it, and has never run.
func neverRan(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.ContainerStatuses, func(c corev1.ContainerStatus) bool {
		return c.State.Waiting != nil && c.State.Waiting.Reason == services.ReasonStopped
	})
}

// withEntry is a copy of m with one more entry.
func withEntry(m map[string]string, key, value string) map[string]string {
	out := maps.Clone(m)
	if out == nil {
		out = map[string]string{}
	}
	out[key] = value
	return out
}
