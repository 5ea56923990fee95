// Package order decides who waits for whom: when a workload may start, and when it may go. Pure functions.
package order

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lyandev/lyandev/services"
)

// Facts is what is known of one workload.
type Facts struct {
	// Started: every wanted pod has started its containers once. Right: the workload is complete, its pods Ready and its
	// operator content. Done: its pods have ended with success. Failed says why it will not get there by itself, or "".
	Started, Right, Done bool
	Failed               string
	// Pods counts those that exist, ending ones included.
	Pods int
	// Waiting is what the workload itself waits for, for messages.
	Waiting string
}

// Wait is one unsatisfied edge.
type Wait struct {
	For    string
	Reason string
}

// Waits lists, for each workload that may not start yet, the first edge that is not satisfied. A dependency on a workload
// that the stack does not have (another profile's) is satisfied. Dependents are released only by success.
func Waits(stack *services.Stack, facts map[string]Facts) map[string]Wait {
	out := map[string]Wait{}
	for _, w := range stack.Workloads {
		for _, d := range w.DependsOn {
			if stack.Workload(d.Workload) == nil || satisfied(d.Condition, facts[d.Workload]) {
				continue
			}
			out[w.Name()] = Wait{For: d.Workload, Reason: reason(d, facts[d.Workload])}
			break
		}
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

func reason(d services.Dependency, f Facts) string {
	want := map[services.Condition]string{
		services.Started: "to start", services.Completed: "to complete", services.Healthy: "to be ready",
	}[d.Condition]
	text := fmt.Sprintf("waits for %s %s", d.Workload, want)
	if d.Reason != "" && d.Reason != "depends_on" {
		text += " (" + d.Reason + ")"
	}
	switch {
	case f.Failed != "":
		text += ", which failed: " + f.Failed
	case f.Waiting != "":
		text += ", which " + f.Waiting
	}
	return text
}

// MayStop lists the workloads that may be stopped now when everything goes: those without a dependent that still has pods.
func MayStop(stack *services.Stack, facts map[string]Facts) map[string]bool {
	held := map[string]bool{}
	for _, w := range stack.Workloads {
		if facts[w.Name()].Pods == 0 {
			continue
		}
		for _, d := range w.DependsOn {
			held[d.Workload] = true
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

// CycleError names workloads that wait for each other.
type CycleError struct {
	// Path begins and ends with the same workload.
	Path []string
}

func (e *CycleError) Error() string {
	return "workloads wait for each other: " + strings.Join(e.Path, " -> ") + "; remove one of these depends_on edges"
}

// Layers lists the workloads in start order: each layer depends only on layers before it. Names keep the file's order
// inside a layer. A cycle is a *CycleError.
func Layers(stack *services.Stack) ([][]string, error) {
	depth := map[string]int{}
	var visit func(name string, path []string) (int, error)
	visit = func(name string, path []string) (int, error) {
		if i := slices.Index(path, name); i >= 0 {
			return 0, &CycleError{Path: append(slices.Clone(path[i:]), name)}
		}
		if d, ok := depth[name]; ok {
			return d, nil
		}
		w := stack.Workload(name)
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
