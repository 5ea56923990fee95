package cluster

import (
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
)

func cronJob(name, schedule string) *services.Workload {
	o := &batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{Name: name}}
	o.Spec.Schedule = schedule
	o.Spec.JobTemplate.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyNever
	o.Spec.JobTemplate.Spec.Template.Spec.Containers = []corev1.Container{{Name: "c", Image: "img:1"}}
	return &services.Workload{Object: o}
}

// end lets the running pods of a workload end.
func end(t *testing.T, c *Cluster, workload string, phase corev1.PodPhase, at time.Time) {
	t.Helper()
	for _, p := range c.PodsOf(workload) {
		if p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
			continue
		}
		next := p.DeepCopy()
		next.Status.Phase = phase
		next.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "c", State: corev1.ContainerState{
			Terminated: &corev1.ContainerStateTerminated{FinishedAt: metav1.NewTime(at)},
		}}}
		if _, err := c.PodStatus(next); err != nil {
			t.Fatal(err)
		}
	}
}

// TestACronJobStaysRightAfterItsRuns: once the ended pods that are kept as history counted as pods too many, so the stack was
// degraded after the first run.
func TestACronJobStaysRightAfterItsRuns(t *testing.T) {
	c := NewCluster(Config{})
	stack := prepared(t, cronJob("backup", "* * * * *"))
	want(t, c, stack)
	now := time.Now().Truncate(time.Minute)
	check := func(when string, active int, failed, ran bool) {
		t.Helper()
		settle(t, c, now)
		list, _ := c.Workloads()
		w := list[0]
		if !w.Right || w.Runs == nil || w.Runs.Active != active || w.Runs.Failed != failed || w.Runs.Last.IsZero() == ran {
			t.Errorf("%s: %+v, runs %+v", when, w, w.Runs)
		}
		if why := c.FirstTrouble(list); why != "" {
			t.Errorf("%s: %s", when, why)
		}
	}
	check("at the start", 0, false, false)
	for _, phase := range []corev1.PodPhase{corev1.PodSucceeded, corev1.PodFailed} {
		now = now.Add(2 * time.Minute)
		settle(t, c, now)
		if n := len(c.PodsOf("backup")); n == 0 {
			t.Fatal("no run")
		}
		now = now.Add(time.Second)
		check("while it runs", 1, false, phase == corev1.PodFailed)
		for range 8 { // a failed Job is tried again until its back-off limit
			end(t, c, "backup", phase, now)
			settle(t, c, now)
		}
		list, _ := c.Workloads()
		if w := list[0]; !w.Right || phase == corev1.PodSucceeded && (w.Runs.Active != 0 || w.Runs.Last.IsZero() || w.Have != 0) {
			t.Errorf("after a run that %s: %+v, runs %+v", phase, w, w.Runs)
		}
	}
	list, _ := c.Workloads()
	if next := list[0].Runs.Next; !next.After(now.Add(-time.Minute)) {
		t.Errorf("next run at %s, now %s", next, now)
	}
}
