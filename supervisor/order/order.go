// Package order computes the start and stop order of workloads from their dependencies (depends_on). All functions but Walk are pure.
package order

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/lyandev/lyandev/services"
)

// Facts is the observed state of one workload.
type Facts struct {
	// Started: the containers of every desired pod have been started. Right: all pods exist and are Ready, and the operator
	// reports no problem. Done: the pods have ended successfully. Failed is why the workload cannot become right or done by
	// itself, or "".
	Started, Right, Done bool
	Failed               string
	// Pods is the number of existing pods, including terminating ones.
	Pods int
	// Waiting is what the workload itself is waiting for, for messages.
	Waiting string
	// Unhealthy says which container its health check calls unhealthy, with the last output, NoCheck which container runs
	// without a health check: "container NAME ...". Both are "" for other workloads than plain services.
	Unhealthy, NoCheck string
}

// Wait is an unsatisfied dependency.
type Wait struct {
	For    string
	Reason string
	// Never says why it will not be satisfied by itself, "" if it may be.
	Never string
}

// Waits returns, for each workload that may not start yet, its first unsatisfied dependency. A dependency on a workload that is
// not in the stack (one of another profile) is satisfied. A failed workload never satisfies a dependency, but an optional one is
// not waited for then. One that has done its work earlier, as a migration that is not repeated, stands for what it depends on itself.
func Waits(stack *services.Stack, facts map[string]Facts) map[string]Wait {
	s := start{known: byName(stack), facts: facts, waits: map[string]*Wait{}}
	out := map[string]Wait{}
	for _, w := range stack.Workloads {
		if wait := s.wait(w); wait != nil {
			out[w.Name()] = *wait
		}
	}
	return out
}

// start is one look at the start order. waits has the workloads that were looked at, with nil for those that may start.
type start struct {
	known map[string]*services.Workload
	facts map[string]Facts
	waits map[string]*Wait
}

// wait is the first unsatisfied dependency of a workload, nil if there is none.
func (s *start) wait(w *services.Workload) *Wait {
	if known, ok := s.waits[w.Name()]; ok {
		return known
	}
	s.waits[w.Name()] = nil // also ends a cycle, which Layers refuses
	for _, d := range w.DependsOn {
		other, f := s.known[d.Workload], s.facts[d.Workload]
		if other == nil {
			continue
		}
		var wait *Wait
		switch {
		case !satisfied(d.Condition, f) || unchecked(d, f) != "":
			wait = &Wait{For: d.Workload, Reason: reason(d, f), Never: never(d, other, f)}
		case f.Done:
			wait = s.wait(other)
		}
		if wait == nil || wait.Never != "" && d.Optional {
			continue
		}
		s.waits[w.Name()] = wait
		return wait
	}
	return nil
}

// byName are the workloads of a stack. A look asks for each dependency, so it must not search the whole stack.
func byName(stack *services.Stack) map[string]*services.Workload {
	out := make(map[string]*services.Workload, len(stack.Workloads))
	for _, w := range stack.Workloads {
		out[w.Name()] = w
	}
	return out
}

func satisfied(c services.Condition, f Facts) bool {
	switch c {
	case services.Started:
		return f.Started || f.Right || f.Done
	case services.Completed:
		return f.Done
	default:
		return f.Right
	}
}

// unchecked says which container has no health check although depends_on asks for its health, "" if none.
func unchecked(d services.Dependency, f Facts) string {
	if d.Condition != services.Healthy || d.Reason != "depends_on" {
		return ""
	}
	return f.NoCheck
}

// never says why a dependency will not be satisfied by itself, "" if it may be, much as Docker Compose does.
func never(d services.Dependency, on *services.Workload, f Facts) string {
	name := on.DisplayName()
	switch {
	case d.Condition == services.Completed && f.Failed != "":
		return fmt.Sprintf("service %q didn't complete successfully: %s", name, f.Failed)
	case d.Condition == services.Healthy && f.Failed != "":
		return fmt.Sprintf("dependency %s failed to start: %s", name, f.Failed)
	case d.Condition == services.Healthy && f.Unhealthy != "":
		return fmt.Sprintf("dependency %s failed to start: %s", name, f.Unhealthy)
	case unchecked(d, f) != "":
		return fmt.Sprintf("dependency %s failed to start: %s; give service %[1]s a healthcheck, or depend on it with condition: service_started", name, f.NoCheck)
	}
	return ""
}

func reason(d services.Dependency, f Facts) string {
	want := map[services.Condition]string{
		services.Started: "to start", services.Completed: "to complete", services.Healthy: "to be ready",
	}[d.Condition]
	why := ""
	if d.Condition == services.Healthy {
		if why = cmp.Or(f.Unhealthy, unchecked(d, f)); why != "" {
			want, why = "to become healthy", "; "+why
		}
	}
	text := fmt.Sprintf("waits for %s %s", d.Workload, want)
	if d.Reason != "" && d.Reason != "depends_on" {
		text += " (" + d.Reason + ")"
	}
	switch {
	case why != "":
		text += why
	case f.Failed != "":
		text += ", which failed: " + f.Failed
	case f.Waiting != "":
		text += ", which " + f.Waiting
	}
	return text
}

// MayStop returns the workloads that may be stopped now while the whole stack stops: those without a dependent that still has
// pods, directly or through others that have none, as a migration that is done.
func MayStop(stack *services.Stack, facts map[string]Facts) map[string]bool {
	held, known := map[string]bool{}, byName(stack)
	var hold func(w *services.Workload)
	hold = func(w *services.Workload) {
		for _, d := range w.DependsOn {
			if other := known[d.Workload]; other != nil && !held[d.Workload] {
				held[d.Workload] = true
				hold(other)
			}
		}
	}
	for _, w := range stack.Workloads {
		if facts[w.Name()].Pods > 0 {
			hold(w)
		}
	}
	out := map[string]bool{}
	for _, w := range stack.Workloads {
		if !held[w.Name()] {
			out[w.Name()] = true
		}
	}
	return out
}

// Walk calls do for every workload of a stack without cycles, in goroutines: for one after those that it depends on or, backwards, after
// those that depend on it. It returns when all calls have. After an error those that would follow are not called, and the context of
// the others ends; the error is the first one.
func Walk(ctx context.Context, stack *services.Stack, backwards bool, do func(context.Context, *services.Workload) error) error {
	ended, before, known := map[string]chan struct{}{}, map[string][]string{}, byName(stack)
	for _, w := range stack.Workloads {
		ended[w.Name()] = make(chan struct{})
		for _, d := range w.DependsOn {
			first, then := d.Workload, w.Name()
			if backwards {
				first, then = then, first
			}
			if known[d.Workload] != nil {
				before[then] = append(before[then], first)
			}
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, w := range stack.Workloads {
		g.Go(func() error {
			for _, name := range before[w.Name()] {
				select {
				case <-ended[name]:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
			if err := do(ctx, w); err != nil {
				return err
			}
			close(ended[w.Name()])
			return nil
		})
	}
	return g.Wait()
}

// CycleError is a dependency cycle.
type CycleError struct {
	// Path starts and ends with the same workload.
	Path []string
}

func (e *CycleError) Error() string {
	return "workloads depend on each other: " + strings.Join(e.Path, " -> ") + "; remove one of these depends_on edges"
}

// Layers returns the workloads in start order: each layer depends only on earlier layers. Within a layer the names have the
// order of the stack file. The error is a *CycleError if there is a cycle.
func Layers(stack *services.Stack) ([][]string, error) {
	depth, known := map[string]int{}, byName(stack)
	var visit func(name string, path []string) (int, error)
	visit = func(name string, path []string) (int, error) {
		if i := slices.Index(path, name); i >= 0 {
			return 0, &CycleError{Path: append(slices.Clone(path[i:]), name)}
		}
		if d, ok := depth[name]; ok {
			return d, nil
		}
		w := known[name]
		if w == nil {
			return -1, nil
		}
		d := 0
		for _, dep := range w.DependsOn {
			below, err := visit(dep.Workload, append(slices.Clone(path), name))
			if err != nil {
				return 0, err
			}
			d = max(d, below+1)
		}
		depth[name] = d
		return d, nil
	}
	var layers [][]string
	for _, w := range stack.Workloads {
		d, err := visit(w.Name(), nil)
		if err != nil {
			return nil, err
		}
		for len(layers) <= d {
			layers = append(layers, nil)
		}
		layers[d] = append(layers[d], w.Name())
	}
	return layers, nil
}
