package supervisor

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/controller"
)

// updatePod is the one action that controllers do not have: a bare pod is changed in place. It exists for profile
// switches, where a container joins or leaves a running pod.
type updatePod struct {
	controller.Why
	pod *corev1.Pod
}

func (u updatePod) String() string { return "update pod " + u.pod.Name + ": " + u.Cause() }

// barePods decides about workloads that are pods themselves: nobody else makes them. A pod that ended stays as it is, as
// in a cluster; one whose spec changed is changed in place if only its containers differ, else replaced; one that is in
// no released workload and has no owner goes.
func (w *world) barePods() []controller.Action {
	var out []controller.Action
	for _, x := range w.inOrder() {
		wanted, ok := x.Object.(*corev1.Pod)
		if !ok {
			continue
		}
		have := w.pods[wanted.Name]
		switch {
		case have == nil:
			p := wanted.DeepCopy()
			p.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
			out = append(out, controller.CreatePod{Pod: p, Why: "pod " + controller.Why(p.Name) + " is wanted"})
		case have.DeletionTimestamp != nil || equality.Semantic.DeepEqual(wanted.Spec, have.Spec):
		case onlyContainersDiffer(wanted, have):
			p := have.DeepCopy()
			p.Spec = *wanted.Spec.DeepCopy()
			out = append(out, updatePod{Why: "its containers changed", pod: p})
		default:
			out = append(out, controller.DeletePod{Pod: have, Why: "its spec changed"})
		}
	}
	for _, p := range sorted(w.pods) {
		if p.DeletionTimestamp == nil && len(p.OwnerReferences) == 0 && w.released[p.Labels[services.WorkloadLabel]] == nil {
			out = append(out, controller.DeletePod{Pod: p, Why: "it is not wanted any more"})
		}
	}
	return out
}

// onlyContainersDiffer says that the pods are the same but for containers that are in one of them only, and images.
func onlyContainersDiffer(a, b *corev1.Pod) bool {
	x, y := a.Spec.DeepCopy(), b.Spec.DeepCopy()
	in := func(list []corev1.Container) func(c corev1.Container) bool {
		return func(c corev1.Container) bool {
			return !slices.ContainsFunc(list, func(o corev1.Container) bool { return o.Name == c.Name })
		}
	}
	xs, ys := x.Containers, y.Containers
	x.Containers = slices.DeleteFunc(slices.Clone(xs), in(ys))
	y.Containers = slices.DeleteFunc(slices.Clone(ys), in(xs))
	for i := range x.Containers {
		x.Containers[i].Image = ""
	}
	for i := range y.Containers {
		y.Containers[i].Image = ""
	}
	x.Volumes, y.Volumes = nil, nil // a joining container brings its own; what the others mount is in their spec
	return len(x.Containers) > 0 && equality.Semantic.DeepEqual(x, y)
}
