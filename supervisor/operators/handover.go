package operators

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
)

// mover is an operator that can move a role (master) from pods that are about to leave to pods that stay. It returns the pod
// that has the role now, "" if nothing had to move. An error means that the pods must not leave yet.
type mover interface {
	Home(ctx context.Context, view services.View, stays func(pod string) bool) (moved string, err error)
}

// CanHandOver reports whether a running operator can move its role, so that Handover must be called before its pods leave.
func (r *Runner) CanHandOver(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.running[name]
	if l == nil {
		return false
	}
	_, able := l.op.(mover)
	return able
}

// Handover asks every operator that has pods which leave, and can move its role, to move it to a pod that stays, one operator
// after the other. It blocks until all have answered and returns the pods that got a role. With an error, which names each
// operator that could not, pods must not leave yet. An operator that was asked looks at its pods again at once.
func (r *Runner) Handover(ctx context.Context, stays func(pod string) bool) (moved []string, err error) {
	var errs []error
	for _, l := range r.loops() {
		op, able := l.op.(mover)
		if !able {
			continue
		}
		view := l.current()
		if !slices.ContainsFunc(view.Pods, func(p *corev1.Pod) bool { return !stays(p.Name) }) {
			continue
		}
		pod, err := op.Home(ctx, view, stays)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", l.name, err))
		} else if pod != "" {
			moved = append(moved, pod)
		}
		l.wakeUp() // so that the role labels follow at once
	}
	return moved, errors.Join(errs...)
}

// loops are the running operators in the order of their names.
func (r *Runner) loops() []*loop {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*loop
	for _, name := range slices.Sorted(maps.Keys(r.running)) {
		out = append(out, r.running[name])
	}
	return out
}
