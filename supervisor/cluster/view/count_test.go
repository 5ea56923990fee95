package view_test

import (
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/cluster/view"
)

// TestEndedPodsOfJobsDoNotCount: the pods that a CronJob keeps as history, and those of a Job's earlier attempts, once made the
// stack degraded ("the others are still terminating").
func TestEndedPodsOfJobsDoNotCount(t *testing.T) {
	pods := func(phases ...corev1.PodPhase) []*corev1.Pod {
		var out []*corev1.Pod
		for _, phase := range phases {
			p := &corev1.Pod{Status: corev1.PodStatus{Phase: phase}}
			if phase == corev1.PodRunning {
				p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
			}
			out = append(out, p)
		}
		return out
	}
	cron, job := &services.Workload{Object: &batchv1.CronJob{}}, &services.Workload{Object: &batchv1.Job{}}
	for name, c := range map[string]struct {
		workload    *services.Workload
		pods        []*corev1.Pod
		want, have  int32
		ready       int32
		shouldRight bool
	}{
		"before the first run":    {cron, nil, 0, 0, 0, true},
		"a run goes on":           {cron, pods(corev1.PodRunning), 1, 1, 1, true},
		"a run has not started":   {cron, pods(corev1.PodPending), 1, 1, 0, true},
		"runs have ended":         {cron, pods(corev1.PodSucceeded, corev1.PodSucceeded, corev1.PodFailed), 0, 0, 0, true},
		"history and a run":       {cron, pods(corev1.PodSucceeded, corev1.PodRunning), 1, 1, 1, true},
		"second attempt of a job": {job, pods(corev1.PodFailed, corev1.PodRunning), 1, 1, 1, true},
		"a job between attempts":  {job, pods(corev1.PodFailed), 1, 0, 0, false},
	} {
		got := view.Count(c.workload, c.pods)
		if got.Want != c.want || got.Have != c.have || got.Ready != c.ready || got.Right() != c.shouldRight {
			t.Errorf("%s: %+v, right %v", name, got, got.Right())
		}
	}
}
