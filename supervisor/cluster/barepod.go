package cluster

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/controller"
	"github.com/lyandev/lyandev/supervisor/podchange"
)

// UpdatePod is the one action that controllers do not have: a bare pod is changed in place. It exists for profile
// switches, where a container joins or leaves a running pod.
type UpdatePod struct {
	controller.Why
	Pod *corev1.Pod
}

// String is the action and its cause on one line.
func (u UpdatePod) String() string { return "update pod " + u.Pod.Name + ": " + u.Cause() }

// BarePods decides about workloads that are pods themselves: no controller makes them. A pod that ended stays as it is, as
// in a cluster; one whose spec changed is changed in place if only its containers differ, else replaced; one that is in
// no released workload and has no owner goes.
func (c *Cluster) BarePods() []controller.Action {
	var out []controller.Action
	for _, x := range c.AllReleased() {
		wanted, ok := x.Object.(*corev1.Pod)
		if !ok {
			continue
		}
		have, there := Get[*corev1.Pod](c.Store, wanted.Namespace, wanted.Name)
		switch {
		case !there:
			p := wanted.DeepCopy()
			p.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
			out = append(out, controller.CreatePod{Pod: p, Why: "pod " + controller.Why(p.Name) + " is wanted"})
		case have.DeletionTimestamp != nil || podchange.Same(wanted, have):
		case podchange.InPlace(wanted, have):
			out = append(out, UpdatePod{Why: controller.Why(podchange.Describe(wanted, have)), Pod: podchange.Apply(wanted, have)})
		default:
			out = append(out, controller.DeletePod{Pod: have, Why: "its spec changed"})
		}
	}
	for _, p := range c.Pods() {
		if p.DeletionTimestamp == nil && len(p.OwnerReferences) == 0 && c.released[p.Labels[services.WorkloadLabel]] == nil {
			out = append(out, controller.DeletePod{Pod: p, Why: "it is not wanted any more"})
		}
	}
	return out
}
