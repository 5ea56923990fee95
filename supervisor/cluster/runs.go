package cluster

import (
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/controller"
	"github.com/lyandev/lyandev/supervisor/state"
)

// runs are the runs of a CronJob, nil for other kinds.
func (c *Cluster) runs(x *services.Workload) *state.Runs {
	cron, ok := x.Object.(*batchv1.CronJob)
	if !ok {
		return nil
	}
	r := &state.Runs{Suspended: cron.Spec.Suspend != nil && *cron.Spec.Suspend}
	if !r.Suspended {
		r.Next = c.memory.Schedules[cron.Namespace+"/"+cron.Name].Next
	}
	if t := cron.Status.LastSuccessfulTime; t != nil {
		r.Last = t.Time
	}
	for _, j := range List[*batchv1.Job](c.Store) {
		if owner := metav1.GetControllerOf(j); owner == nil || owner.Kind != "CronJob" || owner.Name != cron.Name || j.Namespace != cron.Namespace {
			continue
		}
		how := controller.JobFinished(j)
		if how == "" {
			r.Active++
		} else if end := endOf(j, how); !end.Before(r.Last) {
			r.Last, r.Failed = end, how == batchv1.JobFailed
		}
	}
	return r
}

// endOf is when a Job finished.
func endOf(j *batchv1.Job, how batchv1.JobConditionType) time.Time {
	for _, c := range j.Status.Conditions {
		if c.Type == how && c.Status == corev1.ConditionTrue {
			return c.LastTransitionTime.Time
		}
	}
	return time.Time{}
}
