package supervisor

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/controller"
	"github.com/lyandev/lyandev/supervisor/pod/dockerpod"
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
		case have.DeletionTimestamp != nil || samePod(wanted, have):
		case onlyContainersDiffer(wanted, have):
			out = append(out, updatePod{Why: controller.Why(inPlaceChanges(wanted, have)), pod: changedInPlace(wanted, have)})
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

// ownLabels are the labels of a running pod that the stack says nothing about: they stay when it is changed in place.
var ownLabels = []string{services.RoleLabel}

// metaOf are a pod's labels and annotations as the stack would have them.
func metaOf(p *corev1.Pod) (labels, annotations map[string]string) {
	labels, annotations = maps.Clone(p.Labels), maps.Clone(p.Annotations)
	for _, k := range ownLabels {
		delete(labels, k)
	}
	delete(annotations, restartedAt)
	return labels, annotations
}

// samePod says that a running bare pod is as wanted.
func samePod(wanted, have *corev1.Pod) bool {
	wl, wa := metaOf(wanted)
	hl, ha := metaOf(have)
	return wanted.Annotations[restartedAt] == have.Annotations[restartedAt] &&
		equality.Semantic.DeepEqual(wl, hl) && equality.Semantic.DeepEqual(wa, ha) &&
		equality.Semantic.DeepEqual(wanted.Spec, have.Spec)
}

// changedInPlace is the running pod with what is wanted of it: spec, labels and annotations. Its role stays.
func changedInPlace(wanted, have *corev1.Pod) *corev1.Pod {
	p := have.DeepCopy()
	p.Spec = *wanted.Spec.DeepCopy()
	p.Labels, p.Annotations = maps.Clone(wanted.Labels), maps.Clone(wanted.Annotations)
	for _, k := range ownLabels {
		if v, ok := have.Labels[k]; ok {
			if p.Labels == nil {
				p.Labels = map[string]string{}
			}
			p.Labels[k] = v
		}
	}
	return p
}

// update takes over spec and metadata of a pod that is changed in place.
func (w *world) update(p *corev1.Pod) {
	next := w.pods[p.Name].DeepCopy()
	next.Spec, next.Labels, next.Annotations = p.Spec, p.Labels, p.Annotations
	w.pods[p.Name] = next
}

// inPlaceChanges says in words what a change in place does.
func inPlaceChanges(wanted, have *corev1.Pod) string {
	var out []string
	for _, c := range wanted.Spec.Containers {
		old := slices.IndexFunc(have.Spec.Containers, func(o corev1.Container) bool { return o.Name == c.Name })
		if old < 0 {
			out = append(out, "container "+c.Name+" joins")
		} else if have.Spec.Containers[old].Image != c.Image {
			out = append(out, "container "+c.Name+" has another image")
		}
	}
	for _, c := range have.Spec.Containers {
		if !slices.ContainsFunc(wanted.Spec.Containers, func(o corev1.Container) bool { return o.Name == c.Name }) {
			out = append(out, "container "+c.Name+" leaves")
		}
	}
	if len(out) == 0 {
		return "its labels or annotations changed"
	}
	return strings.Join(out, ", ")
}

// onlyContainersDiffer says that the pods are the same but for containers that are in one of them only, images, and what
// can be changed in place anyway: labels and annotations. A restart by hand replaces the pod, and so does a sandbox: a pod
// of one container without one has no network that another could join.
func onlyContainersDiffer(a, b *corev1.Pod) bool {
	if a.Annotations[restartedAt] != b.Annotations[restartedAt] ||
		a.Annotations[dockerpod.SandboxAnnotation] != b.Annotations[dockerpod.SandboxAnnotation] ||
		joins(a, b) && !dockerpod.HasSandbox(a, b) {
		return false
	}
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

// joins says that a pod has a container that the other has not.
func joins(wanted, have *corev1.Pod) bool {
	return slices.ContainsFunc(wanted.Spec.Containers, func(c corev1.Container) bool {
		return !slices.ContainsFunc(have.Spec.Containers, func(o corev1.Container) bool { return o.Name == c.Name })
	})
}
