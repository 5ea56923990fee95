package supervisor

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/controller"
	"github.com/lyandev/lyandev/supervisor/podchange"
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
		case have.DeletionTimestamp != nil || podchange.Same(wanted, have):
		case podchange.InPlace(wanted, have):
			out = append(out, updatePod{Why: controller.Why(podchange.Describe(wanted, have)), pod: podchange.Apply(wanted, have)})
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

// update takes over spec and metadata of a pod that is changed in place.
func (w *world) update(p *corev1.Pod) {
	next := w.pods[p.Name].DeepCopy()
	next.Spec, next.Labels, next.Annotations = p.Spec, p.Labels, p.Annotations
	w.pods[p.Name] = next
}
