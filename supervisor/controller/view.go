package controller

import (
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
)

// DefaultNode is the name of the one node of a laptop.
const DefaultNode = "lyandev"

// View is all that a look sees. Its objects are read and never changed; they carry defaults (kube.Default) and, if the caller
// has them, UIDs. Owned objects are found by the controller reference in their ownerReferences; where either side has no
// UID, kind and name decide.
type View struct {
	Deployments  []*appsv1.Deployment
	StatefulSets []*appsv1.StatefulSet
	DaemonSets   []*appsv1.DaemonSet
	// ReplicaSets and Jobs are the wanted ones and those that a Deployment or a CronJob made.
	ReplicaSets []*appsv1.ReplicaSet
	Jobs        []*batchv1.Job
	CronJobs    []*batchv1.CronJob
	// ComposeServices are the services of a Compose file without Kubernetes' semantics.
	ComposeServices []*services.ComposeService
	// Revisions are the templates that StatefulSets had (R175, R176).
	Revisions []*appsv1.ControllerRevision
	// Pods are all pods with their status, also those that end, have ended or belong to nobody.
	Pods []*corev1.Pod
	// Nodes are the nodes of DaemonSets (R191); none means DefaultNode.
	Nodes []string
	// Location is the time zone of CronJobs without one (R195); nil means UTC.
	Location *time.Location
	// JobBatch is how much later a Job is looked at after something happened to its pods. Kubernetes batches for 1 s (R192); 0 is
	// at once.
	JobBatch time.Duration
	// ReplaceUnready names Deployments whose old pods need not be spared in a rolling update while they are not Ready: all of them
	// are replaced at once, beyond maxUnavailable. Kubernetes has no such setting; there a person would delete these pods.
	ReplaceUnready map[string]bool
	// GrowAnew lets a Deployment whose number of pods grows together with its template add pods of the new template only. Kubernetes
	// first adds pods of the old one, and replaces them then.
	GrowAnew bool
	// ReplaceStuck replaces pods of StatefulSets that have an old template and fail, or whose restart was asked for, although they are
	// not available. Kubernetes leaves that to a person, as a known issue of forced rollbacks.
	ReplaceStuck bool
	// StartFirst is how many new pods of a Deployment in ReplaceUnready start while none of them is Ready yet: the first serves the
	// sooner the fewer share the processors. The others follow once one is Ready, a container of one has ended, or StartFirstLimit
	// after the first was made. 0 means no limit, as in Kubernetes.
	StartFirst int32
	// Names makes the names of pods that have no ordinal; nil means RandomNames.
	Names NameSource
	// Memory is what the previous Plan returned; its zero value is a fresh start.
	Memory Memory
	// Cache saves work if the caller gives the same one to every look. nil is allowed and changes no plan.
	Cache *Cache
}

// Memory is what must be remembered between looks and is on no object. It is plain data and may be written down; losing it
// forgets back-offs and the count of failed pods that are gone, and nothing else.
type Memory struct {
	// Daemons is the back-off of failing DaemonSet pods, by daemon and node (R191).
	Daemons map[string]DaemonBackoff `json:"daemons,omitempty"`
	// Jobs is by the Job's namespace/name.
	Jobs map[string]JobMemory `json:"jobs,omitempty"`
	// Schedules is the schedule of each CronJob at the last look, by namespace/name.
	Schedules map[string]CronMemory `json:"schedules,omitempty"`
	// Told is the last thing said of a CronJob that would be said again at every look.
	Told map[string]string `json:"told,omitempty"`
}

// Reconcile makes one look at all workloads: what is to be done now. Equal views give equal plans, but for the names that
// View.Names makes.
func Reconcile(view View, now time.Time) Plan {
	l := newLook(view, now)
	l.collectGarbage()
	for _, c := range view.CronJobs {
		l.cronJob(c)
	}
	for _, j := range l.jobs {
		l.job(j)
	}
	for _, d := range view.Deployments {
		l.deployment(d)
	}
	for _, rs := range l.replicaSets {
		l.replicaSet(rs)
	}
	for _, s := range view.StatefulSets {
		l.statefulSet(s)
	}
	for _, d := range view.DaemonSets {
		l.daemonSet(d)
	}
	for _, s := range view.ComposeServices {
		l.composeService(s)
	}
	return l.plan
}

// look is one Reconcile in progress: the view, and the plan that grows.
type look struct {
	View
	now  time.Time
	plan Plan
	// jobs and replicaSets are the view's, as the actions of this plan leave them.
	jobs        []*batchv1.Job
	replicaSets []*appsv1.ReplicaSet
	// The view's objects by their owners.
	ownedPods        owned[*corev1.Pod]
	ownedJobs        owned[*batchv1.Job]
	ownedReplicaSets owned[*appsv1.ReplicaSet]
	ownedRevisions   owned[*appsv1.ControllerRevision]
	// taken are the names of pods; nil until a pod is named.
	taken map[string]bool
}

func newLook(v View, now time.Time) *look {
	l := &look{
		View: v, now: now, ownedPods: byOwner(v.Pods), ownedJobs: byOwner(v.Jobs), ownedReplicaSets: byOwner(v.ReplicaSets),
		ownedRevisions: byOwner(v.Revisions),
	}
	l.jobs, l.replicaSets = slices.Clone(v.Jobs), slices.Clone(v.ReplicaSets)
	if len(l.Nodes) == 0 {
		l.Nodes = []string{DefaultNode}
	}
	if l.Location == nil {
		l.Location = time.UTC
	}
	if l.Names == nil {
		l.Names = RandomNames()
	}
	l.Cache.begin()
	l.plan.Memory = v.Memory.clone()
	return l
}

// add appends actions to the plan.
func (l *look) add(actions ...Action) { l.plan.Actions = append(l.plan.Actions, actions...) }

// again asks for another look at t at the latest. Times that are not after now are for the next look, which comes anyway.
func (l *look) again(t time.Time) {
	if t.After(l.now) && (l.plan.Next.IsZero() || t.Before(l.plan.Next)) {
		l.plan.Next = t
	}
}

// owner says what kind of object o is; the controllers own by it.
type owner struct {
	apiVersion, kind string
	meta             *metav1.ObjectMeta
}

// owns reports whether the controller reference among refs names this owner.
func (o owner) owns(namespace string, refs []metav1.OwnerReference) bool {
	ref := controllerOf(refs)
	if ref == nil || ref.Kind != o.kind || ref.Name != o.meta.Name || namespace != o.meta.Namespace {
		return false
	}
	return ref.UID == "" || o.meta.UID == "" || ref.UID == o.meta.UID
}

// reference is the controller reference that things made for this owner carry.
func (o owner) reference() []metav1.OwnerReference {
	yes := true
	return []metav1.OwnerReference{{
		APIVersion: o.apiVersion, Kind: o.kind, Name: o.meta.Name, UID: o.meta.UID,
		Controller: &yes, BlockOwnerDeletion: &yes,
	}}
}

// text is Kind/name, as in events and causes.
func (o owner) text() string { return o.kind + "/" + o.meta.Name }

func controllerOf(refs []metav1.OwnerReference) *metav1.OwnerReference {
	for i := range refs {
		if refs[i].Controller != nil && *refs[i].Controller {
			return &refs[i]
		}
	}
	return nil
}

func ownerOfDeployment(d *appsv1.Deployment) owner {
	return owner{"apps/v1", "Deployment", &d.ObjectMeta}
}

func ownerOfReplicaSet(r *appsv1.ReplicaSet) owner {
	return owner{"apps/v1", "ReplicaSet", &r.ObjectMeta}
}

func ownerOfStatefulSet(s *appsv1.StatefulSet) owner {
	return owner{"apps/v1", "StatefulSet", &s.ObjectMeta}
}

func ownerOfDaemonSet(d *appsv1.DaemonSet) owner {
	return owner{"apps/v1", "DaemonSet", &d.ObjectMeta}
}
func ownerOfJob(j *batchv1.Job) owner { return owner{"batch/v1", "Job", &j.ObjectMeta} }
func ownerOfCronJob(c *batchv1.CronJob) owner {
	return owner{"batch/v1", "CronJob", &c.ObjectMeta}
}

// podsOf are the pods of the view whose controller is o, in the view's order.
func (l *look) podsOf(o owner) []*corev1.Pod { return l.ownedPods.of(o) }

func keyOf(m *metav1.ObjectMeta) string { return m.Namespace + "/" + m.Name }
