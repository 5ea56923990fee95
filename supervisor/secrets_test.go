package supervisor

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
)

// TestSecretsAreMasked in what containers and operators say, with the values of the stack and before there is one.
func TestSecretsAreMasked(t *testing.T) {
	var k secrets
	if got := k.mask("mysql://root:hunter2@db and passphrase=x, correct-horse"); got != "mysql://root:***@db and passphrase=***, correct-horse" {
		t.Error(got)
	}
	p := &corev1.Pod{}
	p.Spec.Containers = []corev1.Container{{Env: []corev1.EnvVar{{Name: "API_PASSWORD", Value: "correct-horse"}}}}
	k.learn(&services.Stack{Workloads: []*services.Workload{{Object: p}}})

	status := corev1.PodStatus{Message: "correct-horse"}
	status.ContainerStatuses = []corev1.ContainerStatus{{
		State:                corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Message: "a correct-horse"}},
		LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Message: "b correct-horse"}},
	}}
	k.maskStatus(&status)
	c := status.ContainerStatuses[0]
	if status.Message != "***" || c.State.Waiting.Message != "a ***" || c.LastTerminationState.Terminated.Message != "b ***" {
		t.Errorf("%+v", status)
	}
	v := services.Verdict{Message: "c correct-horse", Pods: map[string]services.PodVerdict{"db-0": {Message: "d correct-horse"}}}
	k.maskVerdict(&v)
	if v.Message != "c ***" || v.Pods["db-0"].Message != "d ***" {
		t.Errorf("%+v", v)
	}
}
