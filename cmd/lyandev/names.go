package main

import (
	"slices"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/state"
)

// serviceNames are the names by which people know the services of a stack.
func serviceNames(s *state.Status) []string {
	var out []string
	for _, w := range s.Workloads {
		if w.Service != "" {
			out = append(out, w.Service)
		}
		out = append(out, w.Name)
	}
	for _, p := range s.Pods { // a supervisor that does not run knows only the pods
		if w := p.Labels[services.WorkloadLabel]; w != "" && !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}

// checkServices returns an error with exitUsage if one of the names is not a service of the stack.
func checkServices(s *state.Status, names []string) error {
	known := serviceNames(s)
	for _, n := range names {
		if !slices.Contains(known, n) {
			return unknownName("service", n, known)
		}
	}
	return nil
}

// checkPods returns an error with exitUsage if one of the names is neither a service of the stack nor one of its pods.
func checkPods(s *state.Status, names []string) error {
	known := serviceNames(s)
	for _, n := range names {
		if !slices.Contains(known, n) && s.Pod(n) == nil {
			all := slices.Clone(known)
			for _, p := range s.Pods {
				all = append(all, p.Name)
			}
			return unknownName("service or pod", n, all)
		}
	}
	return nil
}
