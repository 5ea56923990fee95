package profiles

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
)

// dependencies converts depends_on to edges between workloads. Edges of a service in another service's pod belong to that pod.
func (c *converter) dependencies(names []string) {
	for _, n := range names {
		s := c.project.Services[n]
		w := c.stack.Workload(c.workloadName(c.owner[n]))
		if w == nil {
			continue // a provider
		}
		for _, on := range slices.Sorted(maps.Keys(s.DependsOn)) {
			d := s.DependsOn[on]
			other, ok := c.owner[on]
			if !ok || other == c.owner[n] || c.project.Services[on].Provider != nil {
				continue // optional and not in this profile, in the same pod, or without a workload
			}
			condition := services.Condition(d.Condition)
			if target := c.project.Services[on]; c.plain[on] && target.GetScale() == 0 {
				condition = services.Started // nothing of it runs, so there is nothing to wait for
			}
			addDependency(w, services.Dependency{
				Workload: c.workloadName(other), Condition: condition, Restart: d.Restart, Optional: !d.Required, Reason: "depends_on",
			})
		}
	}
	c.cycles()
}

// addDependency adds an edge. If there is already one to the same workload, the stricter condition is kept.
func addDependency(w *services.Workload, d services.Dependency) {
	strict := map[services.Condition]int{services.Started: 0, services.Healthy: 1, services.Completed: 2}
	for i := range w.DependsOn {
		old := &w.DependsOn[i]
		if old.Workload != d.Workload {
			continue
		}
		if strict[d.Condition] > strict[old.Condition] {
			old.Condition, old.Reason = d.Condition, d.Reason
		}
		old.Restart = old.Restart || d.Restart
		old.Optional = old.Optional && d.Optional
		return
	}
	w.DependsOn = append(w.DependsOn, d)
}

// cycles reports dependency cycles that exist only because services share a pod.
func (c *converter) cycles() {
	for _, w := range c.stack.Workloads {
		if path := cycleThrough(c.stack, w.Name()); path != nil {
			c.bad(keyPath{"services", c.written(w.Name()), "depends_on"}, "services that share a pod start together",
				"dependency cycle between workloads: %s", strings.Join(path, " -> "))
			return
		}
	}
}

// cycleThrough returns a path from a workload back to itself, nil if there is none.
func cycleThrough(s *services.Stack, start string) []string {
	seen := map[string]bool{}
	var walk func(name string, path []string) []string
	walk = func(name string, path []string) []string {
		w := s.Workload(name)
		if w == nil {
			return nil
		}
		for _, d := range w.DependsOn {
			if d.Workload == start {
				return append(path, start)
			}
			if seen[d.Workload] {
				continue
			}
			seen[d.Workload] = true
			if found := walk(d.Workload, append(slices.Clone(path), d.Workload)); found != nil {
				return found
			}
		}
		return nil
	}
	return walk(start, []string{start})
}

// Infer adds implicit dependencies to the stack: a workload whose environment, arguments, ConfigMap values or x-lyandev.localhost
// name a Service waits until the workloads behind that Service are healthy. An edge that would create a cycle is left out.
func Infer(s *services.Stack) {
	for _, w := range s.Workloads {
		for _, svc := range s.Services {
			reason := names(s, w, svc.Name)
			if reason == "" {
				continue
			}
			for _, other := range s.Workloads {
				if other != w && other.Behind(svc) {
					inferEdge(s, w, other, reason)
				}
			}
		}
	}
}

func inferEdge(s *services.Stack, w, other *services.Workload, reason string) {
	if slices.ContainsFunc(w.DependsOn, func(d services.Dependency) bool { return d.Workload == other.Name() }) {
		return
	}
	w.DependsOn = append(w.DependsOn, services.Dependency{Workload: other.Name(), Condition: services.Healthy, Reason: reason})
	if cycleThrough(s, w.Name()) != nil {
		w.DependsOn = w.DependsOn[:len(w.DependsOn)-1]
	}
}

// names describes where a workload names a Service, "" if it does not.
func names(s *services.Stack, w *services.Workload, service string) string {
	if mentions(w.PodMeta().Annotations[services.LocalhostAnnotation], service) {
		return "localhost leads to Service " + service
	}
	for _, c := range w.PodSpec().Containers {
		for _, e := range c.Env {
			if mentions(envValue(s, e), service) {
				return "env " + e.Name + " names Service " + service
			}
		}
		for _, from := range c.EnvFrom {
			if from.ConfigMapRef == nil {
				continue
			}
			for _, m := range s.ConfigMaps {
				for _, k := range slices.Sorted(maps.Keys(m.Data)) {
					if m.Name == from.ConfigMapRef.Name && mentions(m.Data[k], service) {
						return "ConfigMap " + m.Name + " key " + k + " names Service " + service
					}
				}
			}
		}
		for _, a := range slices.Concat(c.Command, c.Args) {
			if mentions(a, service) {
				return "an argument names Service " + service
			}
		}
	}
	return ""
}

func envValue(s *services.Stack, e corev1.EnvVar) string {
	if e.ValueFrom == nil || e.ValueFrom.ConfigMapKeyRef == nil {
		return e.Value
	}
	for _, m := range s.ConfigMaps {
		if m.Name == e.ValueFrom.ConfigMapKeyRef.Name {
			return m.Data[e.ValueFrom.ConfigMapKeyRef.Key]
		}
	}
	return ""
}

// mentions reports whether a text contains a host name as a separate word: not as part of a longer name, and not as the
// user, password or path of a URL.
func mentions(text, host string) bool {
	for from := 0; ; {
		i := strings.Index(text[from:], host)
		if i < 0 {
			return false
		}
		start, end := from+i, from+i+len(host)
		before, after := byte(0), byte(0)
		if start > 0 {
			before = text[start-1]
		}
		if end < len(text) {
			after = text[end]
		}
		whole := start == 0 || strings.IndexByte("@/,; =\"'", before) >= 0
		if whole && (after == 0 || strings.IndexByte(":/.,; \"'?", after) >= 0) && (before != '/' || start >= 2 && text[start-2] == '/') &&
			!strings.Contains(beforeBlank(text[end:]), "@") {
			return true
		}
		from = start + 1
	}
}

func beforeBlank(s string) string {
	if i := strings.IndexAny(s, " /,;"); i >= 0 {
		return s[:i]
	}
	return s
}
