package state

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
)

// TestNotRight: an operator is heard when the containers are ready, and not before.
func TestNotRight(t *testing.T) {
	cond := func(typ corev1.PodConditionType, status corev1.ConditionStatus) corev1.PodCondition {
		return corev1.PodCondition{Type: typ, Status: status, Message: "about " + string(typ)}
	}
	for _, c := range []struct {
		want string
		list []corev1.PodCondition
	}{
		{"", nil},
		{"", []corev1.PodCondition{cond(services.RightGate, corev1.ConditionFalse)}},
		{"", []corev1.PodCondition{cond(corev1.ContainersReady, corev1.ConditionFalse), cond(services.RightGate, corev1.ConditionFalse)}},
		{"", []corev1.PodCondition{cond(corev1.ContainersReady, corev1.ConditionTrue), cond(services.RightGate, corev1.ConditionTrue)}},
		{"about dev.lyandev/right", []corev1.PodCondition{cond(services.RightGate, corev1.ConditionFalse), cond(corev1.ContainersReady, corev1.ConditionTrue)}},
	} {
		if got := NotRight(&corev1.Pod{Status: corev1.PodStatus{Conditions: c.list}}); got != c.want {
			t.Errorf("%v: %q, want %q", c.list, got, c.want)
		}
	}
}
