package controller

import (
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ended reports whether the pod's phase is final.
func ended(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

// active pods are those that count for a ReplicaSet: neither ended nor being deleted (R190).
func active(p *corev1.Pod) bool { return !ended(p) && p.DeletionTimestamp == nil }

func readyCondition(p *corev1.Pod) *corev1.PodCondition {
	for i := range p.Status.Conditions {
		if p.Status.Conditions[i].Type == corev1.PodReady {
			return &p.Status.Conditions[i]
		}
	}
	return nil
}

func ready(p *corev1.Pod) bool {
	c := readyCondition(p)
	return c != nil && c.Status == corev1.ConditionTrue
}

// available reports whether the pod has been Ready for minReady seconds (R182, R184), and if it is Ready but not yet for long
// enough, when it will be.
func available(p *corev1.Pod, minReady int32, now time.Time) (bool, time.Time) {
	c := readyCondition(p)
	if c == nil || c.Status != corev1.ConditionTrue {
		return false, time.Time{}
	}
	if minReady <= 0 {
		return true, time.Time{}
	}
	if c.LastTransitionTime.IsZero() {
		return false, time.Time{}
	}
	at := c.LastTransitionTime.Add(time.Duration(minReady) * time.Second)
	return !at.After(now), at
}

// available is the function above for this look; it asks for another look when a pod becomes available by time alone.
func (l *look) available(p *corev1.Pod, minReady int32) bool {
	yes, at := available(p, minReady, l.now)
	if !yes {
		l.again(at)
	}
	return yes
}

// podFromTemplate is a new pod of o. It has no name yet, unless the caller gives it one.
func podFromTemplate(o owner, t *corev1.PodTemplateSpec, now time.Time) *corev1.Pod {
	t = t.DeepCopy()
	return &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			GenerateName:      o.meta.Name + "-",
			Namespace:         o.meta.Namespace,
			Labels:            t.Labels,
			Annotations:       t.Annotations,
			Finalizers:        t.Finalizers,
			OwnerReferences:   o.reference(),
			CreationTimestamp: metav1.NewTime(now),
		},
		Spec: t.Spec,
	}
}

// label sets a label of a pod.
func label(p *corev1.Pod, key, value string) {
	if p.Labels == nil {
		p.Labels = map[string]string{}
	}
	p.Labels[key] = value
}

// withLabel is a copy of m with one more entry.
func withLabel(m map[string]string, key, value string) map[string]string {
	out := maps.Clone(m)
	if out == nil {
		out = map[string]string{}
	}
	out[key] = value
	return out
}

func restarts(p *corev1.Pod) (containers, sidecars int32) {
	for _, c := range p.Status.ContainerStatuses {
		containers = max(containers, c.RestartCount)
	}
	for i, c := range p.Spec.InitContainers {
		if c.RestartPolicy == nil || *c.RestartPolicy != corev1.ContainerRestartPolicyAlways {
			continue
		}
		for _, st := range p.Status.InitContainerStatuses {
			if st.Name == p.Spec.InitContainers[i].Name {
				sidecars = max(sidecars, st.RestartCount)
			}
		}
	}
	return containers, sidecars
}
