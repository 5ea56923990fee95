package workers

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/supervisor/pod"
)

// MarkReady gives a pod that was found running the conditions of a ready one: the former supervisor had found it ready, and
// its worker keeps that until a probe or an operator says otherwise. gates are the readiness gates that were open.
func MarkReady(p *corev1.Pod, gates ...corev1.PodConditionType) {
	at := metav1.NewTime(time.Now())
	for _, t := range append([]corev1.PodConditionType{corev1.ContainersReady, corev1.PodReady}, gates...) {
		pod.SetCondition(&p.Status, corev1.PodCondition{Type: t, Status: corev1.ConditionTrue}, at)
	}
}
