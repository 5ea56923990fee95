package supervisor

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/probe"
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

// TestEqualOutputsAreMaskedOnce: a page that a probe reads every second is searched for secrets once.
func TestEqualOutputsAreMaskedOnce(t *testing.T) {
	calls := 0
	answers := map[string][]probe.Answer{
		"web-1": {{Output: "page token=x"}, {Output: "page token=x"}, {Output: "other"}},
		"web-2": {{Output: "page token=x"}},
	}
	var k secrets
	maskOutputs(answers, func(text string) string {
		calls++
		return k.mask(text)
	})
	if got := answers["web-2"][0].Output; got != "page token=***" || answers["web-1"][1].Output != got || answers["web-1"][2].Output != "other" {
		t.Errorf("%+v", answers)
	}
	if calls != 2 {
		t.Errorf("masked %d times", calls)
	}
}
