package services

import corev1 "k8s.io/api/core/v1"

// Behind reports whether the workload's pods can be behind a Service: its selector matches the labels of their template, but for
// the role, which operators give to pods later. Nothing is behind a Service without a selector.
func (w *Workload) Behind(s *corev1.Service) bool {
	labels := w.PodMeta().Labels
	for k, v := range s.Spec.Selector {
		if k != RoleLabel && labels[k] != v {
			return false
		}
	}
	return len(s.Spec.Selector) > 0
}

// DisplayNames returns the names of the workloads that people see, in the stack's order.
func (s *Stack) DisplayNames() []string {
	var out []string
	for _, w := range s.Workloads {
		out = append(out, w.DisplayName())
	}
	return out
}

// WithDependencies returns the names of a workload and of all that it depends on, directly or not, which out, the result of
// earlier calls, does not have yet, appended to out.
func (s *Stack) WithDependencies(out []string, w *Workload) []string {
	for _, name := range out {
		if name == w.Name() {
			return out
		}
	}
	out = append(out, w.Name())
	for _, d := range w.DependsOn {
		if on := s.Workload(d.Workload); on != nil {
			out = s.WithDependencies(out, on)
		}
	}
	return out
}
