package controller

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
)

// ownKinds are the kinds that are looked after here; what other kinds own is left alone.
var ownKinds = map[string]bool{
	"Deployment": true, "ReplicaSet": true, "StatefulSet": true, "DaemonSet": true, "Job": true, "CronJob": true,
	services.ComposeServiceKind.Kind: true,
}

// collectGarbage deletes what belongs to an owner that is no longer there: the pods of a deleted StatefulSet all at once and
// in no order (R178), the ReplicaSets of a deleted Deployment, the pods of a Job that its history limit took (R198).
func (l *look) collectGarbage() {
	owners := l.owners()
	orphan := func(m *metav1.ObjectMeta) (string, bool) {
		ref := controllerOf(m.OwnerReferences)
		if ref == nil || !ownKinds[ref.Kind] {
			return "", false
		}
		if o, ok := owners[ownerKey{ref.Kind, m.Namespace, ref.Name}]; ok && o.owns(m.Namespace, m.OwnerReferences) {
			return "", false
		}
		return ref.Kind + "/" + ref.Name + " is gone", true
	}
	l.replicaSets = slices.DeleteFunc(l.replicaSets, func(rs *appsv1.ReplicaSet) bool {
		why, gone := orphan(&rs.ObjectMeta)
		if gone {
			l.add(DeleteReplicaSet{rs, Why(why)})
		}
		return gone
	})
	l.jobs = slices.DeleteFunc(l.jobs, func(j *batchv1.Job) bool {
		why, gone := orphan(&j.ObjectMeta)
		if gone {
			l.add(DeleteJob{j, Why(why)})
		}
		return gone
	})
	for _, r := range l.Revisions {
		if why, gone := orphan(&r.ObjectMeta); gone {
			l.add(DeleteRevision{r, Why(why)})
		}
	}
	for _, p := range l.Pods {
		if why, gone := orphan(&p.ObjectMeta); gone && p.DeletionTimestamp == nil {
			l.add(DeletePod{p, Why(why)})
		}
	}
}

// owners are all objects of the view that may own others.
func (l *look) owners() map[ownerKey]owner {
	out := make(map[ownerKey]owner, len(l.Deployments)+len(l.ReplicaSets)+len(l.StatefulSets)+len(l.DaemonSets)+len(l.Jobs)+len(l.CronJobs))
	add := func(o owner) { out[o.key()] = o }
	for _, d := range l.Deployments {
		add(ownerOfDeployment(d))
	}
	for _, r := range l.ReplicaSets {
		add(ownerOfReplicaSet(r))
	}
	for _, s := range l.StatefulSets {
		add(ownerOfStatefulSet(s))
	}
	for _, d := range l.DaemonSets {
		add(ownerOfDaemonSet(d))
	}
	for _, j := range l.Jobs {
		add(ownerOfJob(j))
	}
	for _, c := range l.CronJobs {
		add(ownerOfCronJob(c))
	}
	for _, s := range l.ComposeServices {
		add(ownerOfComposeService(s))
	}
	return out
}
