package explain

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
)

// adviseRights returns one sentence for each service with host privileges that containers do not have by default.
func adviseRights(stack *services.Stack) []string {
	var out []string
	for _, w := range stack.Workloads {
		if rights := rightsOf(w.PodSpec()); len(rights) > 0 {
			out = append(out, fmt.Sprintf("%s has rights on this machine that containers do not have by default (%s); "+
				"remove them from the stack file unless you trust its image", w.Name(), strings.Join(rights, ", ")))
		}
	}
	return out
}

// rightsOf lists the rights of a pod's containers, without duplicates.
func rightsOf(spec *corev1.PodSpec) []string {
	var out []string
	add := func(has bool, text string) {
		if has && !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	containers := slices.Concat(spec.InitContainers, spec.Containers)
	for i := range containers {
		sc := containers[i].SecurityContext
		add(sc != nil && sc.Privileged != nil && *sc.Privileged, "privileged")
	}
	add(spec.HostNetwork, "host network")
	add(spec.HostPID, "host processes")
	add(spec.HostIPC, "host IPC")
	for i := range containers {
		for _, p := range containers[i].Ports {
			add(p.HostPort != 0 && !spec.HostNetwork, fmt.Sprintf("host port %d", p.HostPort))
		}
		if sc := containers[i].SecurityContext; sc != nil && sc.Capabilities != nil {
			for _, c := range sc.Capabilities.Add {
				add(true, "capability "+string(c))
			}
		}
	}
	return out
}
