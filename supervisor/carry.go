package supervisor

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/lyandev/lyandev/services"
)

// sameWorkload says that two versions of a workload are the same to the controllers.
func sameWorkload(a, b *services.Workload) bool {
	return equality.Semantic.DeepEqual(withoutStatus(a.Object), withoutStatus(b.Object))
}

func withoutStatus(o runtime.Object) runtime.Object {
	o = o.DeepCopyObject()
	switch o := o.(type) {
	case *appsv1.Deployment:
		o.Status, o.Annotations = appsv1.DeploymentStatus{}, nil
	case *appsv1.StatefulSet:
		o.Status = appsv1.StatefulSetStatus{}
	case *appsv1.DaemonSet:
		o.Status, o.Annotations = appsv1.DaemonSetStatus{}, nil
	case *appsv1.ReplicaSet:
		o.Status = appsv1.ReplicaSetStatus{}
	case *batchv1.Job:
		o.Status = batchv1.JobStatus{}
	case *batchv1.CronJob:
		o.Status = batchv1.CronJobStatus{}
	case *corev1.Pod:
		o.Status = corev1.PodStatus{}
	}
	if m, ok := o.(metav1.Object); ok {
		m.SetGeneration(0)
		m.SetCreationTimestamp(metav1.Time{})
	}
	return o
}

// carryStatus is the new version with the old one's status, age and annotations of the controllers. Generation grows.
func carryStatus(old, next *services.Workload) *services.Workload {
	next = next.DeepCopy()
	m := next.Meta()
	if old == nil || old.Kind() != next.Kind() {
		m.CreationTimestamp, m.Generation = metav1.Now(), 1
		return next
	}
	was := old.Meta()
	m.CreationTimestamp, m.Generation = was.CreationTimestamp, was.Generation+1
	switch o := next.Object.(type) {
	case *appsv1.Deployment:
		o.Status, o.Annotations = old.Object.(*appsv1.Deployment).Status, was.Annotations
	case *appsv1.StatefulSet:
		o.Status = old.Object.(*appsv1.StatefulSet).Status
	case *appsv1.DaemonSet:
		o.Status, o.Annotations = old.Object.(*appsv1.DaemonSet).Status, was.Annotations
	case *appsv1.ReplicaSet:
		o.Status = old.Object.(*appsv1.ReplicaSet).Status
	case *batchv1.Job:
		o.Status = old.Object.(*batchv1.Job).Status
	case *batchv1.CronJob:
		o.Status = old.Object.(*batchv1.CronJob).Status
	}
	return next
}
