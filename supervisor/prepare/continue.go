package prepare

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
)

// Continue adds to a loaded stack what of the running one, which may be nil, goes on beside it or in it:
//
//   - workloads that run although no active Compose profile has them any more (services.Stack.Inactive), with what they use: somebody
//     has started them by name or with --profile, and as in Docker Compose only down or their removal from the file ends them. In another
//     profile of x-lyandev they end.
//   - the mark of a forced recreation (services.RecreatedAnnotation), without which the containers would be made anew once more.
//
// It returns the stack to apply, which shares with both what it does not change, and the names of the workloads that were added.
func Continue(running, next *services.Stack) (stack *services.Stack, added []string) {
	if running == nil {
		return next, nil
	}
	out := *next
	out.Workloads = slices.Clone(next.Workloads)
	for i, x := range out.Workloads {
		old := running.Workload(x.Name())
		if old == nil || old.Kind() != x.Kind() {
			continue
		}
		at := old.PodMeta().Annotations[services.RecreatedAnnotation]
		if at != "" && x.PodMeta().Annotations[services.RecreatedAnnotation] == "" {
			out.Workloads[i] = x.DeepCopy()
			Annotate(out.Workloads[i], services.RecreatedAnnotation, at)
		}
	}
	if running.OwnProfile != next.OwnProfile {
		return &out, nil
	}
	kept := *running
	kept.Workloads = nil
	for _, x := range running.Workloads {
		if next.Workload(x.Name()) == nil && slices.Contains(next.Inactive, x.Name()) {
			kept.Workloads = append(kept.Workloads, x)
			added = append(added, x.Name())
		}
	}
	if len(added) > 0 {
		kept.Services = slices.DeleteFunc(slices.Clone(running.Services), func(v *corev1.Service) bool {
			return !slices.ContainsFunc(kept.Workloads, func(x *services.Workload) bool { return x.Behind(v) })
		})
		kept.HostPorts = slices.DeleteFunc(slices.Clone(running.HostPorts), func(h services.HostPort) bool { return kept.Service(h.Service) == nil })
		keepRunning(&out, &kept)
		dropMissing(&out, added)
	}
	return &out, added
}

// dropMissing takes the dependencies on workloads that the stack has not out of those of the given names.
func dropMissing(stack *services.Stack, names []string) {
	for i, x := range stack.Workloads {
		if !slices.Contains(names, x.Name()) {
			continue
		}
		stack.Workloads[i] = x.DeepCopy()
		stack.Workloads[i].DependsOn = slices.DeleteFunc(stack.Workloads[i].DependsOn, func(d services.Dependency) bool {
			return stack.Workload(d.Workload) == nil
		})
	}
}
