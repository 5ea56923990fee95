package supervisor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/state"
)

// WithOperator calls f with an operator of the running stack and its current view, and has the operator look again
// afterwards. It blocks until f returns; ctx ends with the supervisor. An operator that no workload names is an error.
func (s *Supervisor) WithOperator(ctx context.Context, name string, f func(context.Context, services.Operator, services.View) error) error {
	l, err := s.ops.find(name)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	over := make(chan struct{})
	defer close(over)
	go func() {
		select {
		case <-s.done:
			cancel(errors.New("the supervisor has ended"))
		case <-over:
		}
	}()
	l.mu.Lock()
	view := l.view
	l.mu.Unlock()
	defer l.wakeUp()
	return f(ctx, l.op, view)
}

// find is the running operator of that name.
func (r *operatorRunner) find(name string) (*operatorLoop, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.running[name]; l != nil {
		return l, nil
	}
	known := strings.Join(slices.Sorted(maps.Keys(r.running)), ", ")
	if known == "" {
		known = "none"
	}
	return nil, fmt.Errorf("cannot use operator %s: no service of the running stack has it (x-lyandev.operator); running are: %s", name, known)
}

// wakeUp makes the operator look soon.
func (l *operatorLoop) wakeUp() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Workload is a workload of the running stack as its controller sees it, with its status.
func (s *Supervisor) Workload(ctx context.Context, name string) (*services.Workload, error) {
	found, err := ask(ctx, s, func() (*services.Workload, error) {
		for _, x := range s.world.listed() {
			if x.Name() == name {
				return x.DeepCopy(), nil
			}
		}
		return nil, nil
	})
	if err == nil && found == nil {
		err = fmt.Errorf("cannot find service %s: there are %s", name, workloadList(s.store.Latest()))
	}
	return found, err
}

func workloadList(snap *state.Snapshot) string {
	var out []string
	for _, w := range snap.Workloads {
		out = append(out, w.Name)
	}
	return strings.Join(out, ", ")
}
