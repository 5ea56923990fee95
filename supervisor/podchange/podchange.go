// Package podchange compares a running pod with the wanted one: whether they are the same, whether the change can be made in place, and
// what differs, in words. All functions are pure.
package podchange

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/pod"
)

// ownLabels are the labels of a running pod that the stack says nothing about: they stay when it is changed in place.
var ownLabels = []string{services.RoleLabel}

// metaOf are a pod's labels and annotations as the stack would have them.
func metaOf(p *corev1.Pod) (labels, annotations map[string]string) {
	labels, annotations = maps.Clone(p.Labels), maps.Clone(p.Annotations)
	for _, k := range ownLabels {
		delete(labels, k)
	}
	delete(annotations, services.RestartedAtAnnotation)
	return labels, annotations
}

// Same says that a running bare pod is as wanted.
func Same(wanted, have *corev1.Pod) bool {
	wl, wa := metaOf(wanted)
	hl, ha := metaOf(have)
	return wanted.Annotations[services.RestartedAtAnnotation] == have.Annotations[services.RestartedAtAnnotation] &&
		equality.Semantic.DeepEqual(wl, hl) && equality.Semantic.DeepEqual(wa, ha) &&
		equality.Semantic.DeepEqual(wanted.Spec, have.Spec)
}

// Apply is the running pod with what is wanted of it: spec, labels and annotations. Its role stays.
func Apply(wanted, have *corev1.Pod) *corev1.Pod {
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

// Describe says in words what a change in place does.
func Describe(wanted, have *corev1.Pod) string {
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

// InPlace says that the pods are the same but for containers that are in one of them only, images, and what
// can be changed in place anyway: labels and annotations. A restart by hand replaces the pod, as other networks do, and so does a sandbox: a pod
// of one container without one has no network that another could join.
func InPlace(a, b *corev1.Pod) bool {
	if a.Annotations[services.RestartedAtAnnotation] != b.Annotations[services.RestartedAtAnnotation] ||
		a.Annotations[pod.SandboxAnnotation] != b.Annotations[pod.SandboxAnnotation] ||
		a.Annotations[services.LocalhostAnnotation] != b.Annotations[services.LocalhostAnnotation] ||
		a.Annotations[compose.NetworksAnnotation] != b.Annotations[compose.NetworksAnnotation] ||
		joins(a, b) && !(pod.NeedsSandbox(a) && pod.NeedsSandbox(b)) {
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

// Difference says in which parts two pods differ. Values are not told: they may be secret.
func Difference(a, b *corev1.Pod) string {
	var out []string
	if text := Describe(b, a); text != "its labels or annotations changed" {
		out = append(out, text)
	}
	for _, c := range b.Spec.Containers {
		i := slices.IndexFunc(a.Spec.Containers, func(o corev1.Container) bool { return o.Name == c.Name })
		if i < 0 {
			continue
		}
		if names := envDifference(a.Spec.Containers[i].Env, c.Env); len(names) > 0 {
			out = append(out, "env "+strings.Join(names, ", ")+" of "+c.Name)
		}
	}
	if len(out) == 0 {
		out = append(out, "its pod template differs")
	}
	return strings.Join(out, ", ")
}

// envDifference are the names of variables that are not the same in both lists.
func envDifference(a, b []corev1.EnvVar) []string {
	var out []string
	for _, v := range b {
		i := slices.IndexFunc(a, func(o corev1.EnvVar) bool { return o.Name == v.Name })
		if i < 0 || !equality.Semantic.DeepEqual(a[i], v) {
			out = append(out, v.Name)
		}
	}
	for _, v := range a {
		if !slices.ContainsFunc(b, func(o corev1.EnvVar) bool { return o.Name == v.Name }) {
			out = append(out, v.Name)
		}
	}
	return out
}

// Of is a workload's pod, or the pod of its template, as the stack would have it.
func Of(w *services.Workload) *corev1.Pod {
	p := &corev1.Pod{Spec: *w.PodSpec().DeepCopy()}
	m := w.PodMeta()
	p.Labels, p.Annotations = m.Labels, m.Annotations
	labels, annotations := metaOf(p)
	p.Labels, p.Annotations = nil, nil
	if len(labels) > 0 {
		p.Labels = labels
	}
	if len(annotations) > 0 {
		p.Annotations = annotations
	}
	return p
}
