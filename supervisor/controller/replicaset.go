package controller

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// replicaSet keeps spec.replicas active pods (R190): it replaces a pod that ended or is being deleted at once, and takes the
// cheapest when there are too many.
func (l *look) replicaSet(rs *appsv1.ReplicaSet) {
	o := ownerOfReplicaSet(rs)
	pods := l.podsOf(o)
	var live []*corev1.Pod
	for _, p := range pods {
		if active(p) {
			live = append(live, p)
		}
	}
	want := int(deref(rs.Spec.Replicas, 1))
	have := len(live)
	if rs.DeletionTimestamp == nil {
		switch {
		case have < want:
			l.growReplicaSet(rs, want-have, fmt.Sprintf("%s has %d of %d pods", o.text(), have, want))
		case have > want:
			l.shrinkReplicaSet(rs, live, have-want, fmt.Sprintf("%s has %d pods and wants %d", o.text(), have, want))
		}
	}
	l.replicaSetStatus(rs, live)
}

func (l *look) growReplicaSet(rs *appsv1.ReplicaSet, n int, why string) {
	o := ownerOfReplicaSet(rs)
	for range n {
		p := podFromTemplate(o, &rs.Spec.Template, l.now)
		l.name(p)
		l.add(CreatePod{p, Why(why)})
		l.event(o, corev1.EventTypeNormal, "SuccessfulCreate", "Created pod: %s", p.Name)
	}
}

func (l *look) shrinkReplicaSet(rs *appsv1.ReplicaSet, live []*corev1.Pod, n int, why string) {
	o := ownerOfReplicaSet(rs)
	for _, p := range cheapestFirst(live, l.relatedPods(rs), l.now)[:n] {
		l.add(DeletePod{p, Why(why)})
		l.event(o, corev1.EventTypeNormal, "SuccessfulDelete", "Deleted pod: %s", p.Name)
	}
}

// relatedPods are the pods of all ReplicaSets of the same owner.
func (l *look) relatedPods(rs *appsv1.ReplicaSet) []*corev1.Pod {
	ref := controllerOf(rs.OwnerReferences)
	if ref == nil {
		return l.podsOf(ownerOfReplicaSet(rs))
	}
	var out []*corev1.Pod
	for _, other := range l.ownedReplicaSets[ownerKey{ref.Kind, rs.Namespace, ref.Name}] {
		out = append(out, l.podsOf(ownerOfReplicaSet(other))...)
	}
	return out
}

func (l *look) replicaSetStatus(rs *appsv1.ReplicaSet, live []*corev1.Pod) {
	st := rs.Status
	st.ObservedGeneration = rs.Generation
	st.Replicas, st.ReadyReplicas, st.AvailableReplicas = int32(len(live)), 0, 0
	st.FullyLabeledReplicas = int32(len(live))
	for _, p := range live {
		if ready(p) {
			st.ReadyReplicas++
		}
		if l.available(p, rs.Spec.MinReadySeconds) {
			st.AvailableReplicas++
		}
	}
	if sameReplicaSetStatus(&st, &rs.Status) {
		return
	}
	changed := rs.DeepCopy()
	changed.Status = st
	l.add(UpdateStatus{
		Object: changed, Kind: "ReplicaSet", Name: rs.Name,
		Text: fmt.Sprintf("replicas=%d ready=%d available=%d", st.Replicas, st.ReadyReplicas, st.AvailableReplicas),
		Why:  "its pods changed",
	})
}
