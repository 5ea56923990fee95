package supervisor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/lyandev/lyandev/services"
)

// maxReplicas keeps a slip of the finger from filling the machine.
const maxReplicas = 100

// Scale sets how many pods workloads of the running stack have. It changes all of them or, with an error, none, and returns
// when the change has been taken over, not when the pods are there. It lasts, restarts of the supervisor included, until the
// next Apply: that stack's own numbers count again. Deployments, StatefulSets and ReplicaSets can be scaled, to 0 too.
func (s *Supervisor) Scale(ctx context.Context, replicas map[string]int) error {
	s.applying.Lock()
	defer s.applying.Unlock()
	if err := s.switcher.Await(ctx); err != nil {
		return err
	}
	stack, err := s.scaledTo(ctx, replicas)
	if err != nil {
		return err
	}
	if err := s.saveStack(stack); err != nil {
		return err
	}
	return s.change(ctx, "scale", func() error { return s.take(stack) })
}

// scaledTo is the stack that is wanted now, with other replicas.
func (s *Supervisor) scaledTo(ctx context.Context, replicas map[string]int) (*services.Stack, error) {
	return ask(ctx, s, "the stack with other replicas", func() (*services.Stack, error) { return scaled(s.cluster.Stack(), replicas) })
}

// scaled is the stack with other replicas, or everything that is wrong with them. It shares what it does not change.
func scaled(stack *services.Stack, replicas map[string]int) (*services.Stack, error) {
	if stack == nil {
		return nil, fmt.Errorf("cannot scale: %w", errNoStack)
	}
	next := *stack
	next.Workloads = slices.Clone(stack.Workloads)
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(replicas)) {
		n := replicas[name]
		var fixed error
		i := slices.IndexFunc(next.Workloads, func(w *services.Workload) bool { return w == stack.Find(name) })
		if i >= 0 {
			fixed = next.Workloads[i].CheckReplicas(n)
		}
		switch {
		case i < 0:
			errs = append(errs, fmt.Errorf("cannot scale %s: there is no such service; there are %s", name, strings.Join(scalable(stack), ", ")))
		case n < 0:
			errs = append(errs, fmt.Errorf("cannot scale %s to %d: a service cannot have less than 0 pods", name, n))
		case n > maxReplicas:
			errs = append(errs, fmt.Errorf("cannot scale %s to %d: %d are the most for one machine", name, n, maxReplicas))
		case !hasReplicas(next.Workloads[i]):
			errs = append(errs, fmt.Errorf("cannot scale %s: a %s has no replicas; Deployments, StatefulSets and ReplicaSets have",
				name, next.Workloads[i].Kind()))
		case fixed != nil:
			errs = append(errs, fmt.Errorf("cannot scale %s to %d: %w", name, n, fixed))
		default:
			next.Workloads[i] = next.Workloads[i].DeepCopy()
			next.Workloads[i].SetReplicas(int32(n))
		}
	}
	return &next, errors.Join(errs...)
}

func hasReplicas(w *services.Workload) bool {
	switch w.Object.(type) {
	case *appsv1.Deployment, *appsv1.StatefulSet, *appsv1.ReplicaSet, *services.ComposeService:
		return true
	}
	return false
}

// scalable are the names of the workloads that have replicas.
func scalable(stack *services.Stack) []string {
	var out []string
	for _, w := range stack.Workloads {
		if hasReplicas(w) {
			out = append(out, w.DisplayName())
		}
	}
	return out
}
