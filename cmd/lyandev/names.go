package main

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/state"
)

// composeServiceLabel is the label of containers with the service's name as the file has it.
const composeServiceLabel = "com.docker.compose.service"

// serviceNames are the names that people can use for the services of a stack: as the file has them, and internal ones.
func serviceNames(s *state.Status) []string {
	var out []string
	for _, w := range s.Workloads {
		if w.Service != "" {
			out = append(out, w.Service)
		}
		out = append(out, w.Name)
	}
	for _, p := range s.Pods { // without a supervisor only the pods are known
		out = append(out, p.Labels[services.WorkloadLabel], services.ShownService(p))
	}
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(n string) bool { return n == "" })
}

// isNamed returns a function that reports whether a name means a container with this name on the engine and these labels: it is that
// name or the one of its service, of its pod, or POD/CONTAINER.
func isNamed(container string, l map[string]string) func(name string) bool {
	pod := l[services.PodLabel]
	shown := services.ShownName(l[composeServiceLabel], l[services.WorkloadLabel], pod)
	return func(name string) bool {
		return name != "" && (name == container || name == pod || name == shown || name == l[services.WorkloadLabel] || name == l[composeServiceLabel] || name == pod+"/"+l[services.ContainerLabel])
	}
}

// isPod reports whether a name means a pod of the status: it is its name, that of its service or that of its container on the engine.
func isPod(s *state.Status, p *corev1.Pod, name string) bool {
	return name == p.Name || name == services.ShownPod(p) || name == p.Labels[services.WorkloadLabel] || name == services.ShownService(p) ||
		name != "" && name == services.DockerName(s.Project, p)
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
		pod, _, _ := strings.Cut(n, "/") // POD/CONTAINER
		if !slices.Contains(known, n) && s.Pod(pod) == nil {
			all := slices.Clone(known)
			for _, p := range s.Pods {
				all = append(all, p.Name)
			}
			return unknownName("service or pod", n, all)
		}
	}
	return nil
}
