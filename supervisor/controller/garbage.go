package controller

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ownKinds are the kinds that are looked after here; what other kinds own is left alone.
var ownKinds = map[string]bool{
	"Deployment": true, "ReplicaSet": true, "StatefulSet": true, "DaemonSet": true, "Job": true, "CronJob": true,
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
		for _, o := range owners {
			if o.owns(m.Namespace, m.OwnerReferences) {
				return "", false
			}
		}
		return ref.Kind + "/" + ref.Name + " is gone", true
	}
	l.replicaSets = deleteOrphans(l.replicaSets, func(i int) bool {
		why, gone := orphan(&l.replicaSets[i].ObjectMeta)
		if gone {
			l.add(DeleteReplicaSet{l.replicaSets[i], Why(why)})
		}
		return gone
	})
	l.jobs = deleteOrphans(l.jobs, func(i int) bool {
		why, gone := orphan(&l.jobs[i].ObjectMeta)
		if gone {
			l.add(DeleteJob{l.jobs[i], Why(why)})
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

func deleteOrphans[T any](in []T, gone func(i int) bool) []T {
	var kept []T
	for i := range in {
		if !gone(i) {
			kept = append(kept, in[i])
		}
	}
	return kept
}

// owners are all objects of the view that may own others.
func (l *look) owners() []owner {
	var out []owner
	for _, d := range l.Deployments {
		out = append(out, ownerOfDeployment(d))
	}
	for _, r := range l.ReplicaSets {
		out = append(out, ownerOfReplicaSet(r))
	}
	for _, s := range l.StatefulSets {
		out = append(out, ownerOfStatefulSet(s))
	}
	for _, d := range l.DaemonSets {
		out = append(out, ownerOfDaemonSet(d))
	}
	for _, j := range l.Jobs {
		out = append(out, ownerOfJob(j))
	}
	for _, c := range l.CronJobs {
		out = append(out, ownerOfCronJob(c))
	}
	return out
}
