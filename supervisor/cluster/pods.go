package cluster

import (
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lyandev/lyandev/services"
)

// podIndex finds pods by workload and by UID.
type podIndex struct {
	revision   uint64
	byWorkload map[string][]*corev1.Pod
	byUID      map[types.UID]*corev1.Pod
}

func (c *Cluster) index() *podIndex {
	if r := c.RevisionOf(kindFor[*corev1.Pod]()); r != c.pods.revision || c.pods.byUID == nil {
		c.pods = podIndex{revision: r, byWorkload: map[string][]*corev1.Pod{}, byUID: map[types.UID]*corev1.Pod{}}
		for _, p := range c.Pods() {
			name := p.Labels[services.WorkloadLabel]
			c.pods.byWorkload[name] = append(c.pods.byWorkload[name], p)
			c.pods.byUID[p.UID] = p
		}
	}
	return &c.pods
}

// Pods are all pods in the order of namespace and name. The slice is not to be changed.
func (c *Cluster) Pods() []*corev1.Pod { return List[*corev1.Pod](c.Store) }

// PodsOf are the pods of a workload (by label), in name order. The slice is not to be changed.
func (c *Cluster) PodsOf(workload string) []*corev1.Pod { return c.index().byWorkload[workload] }

// Pod finds a pod by UID, or nil.
func (c *Cluster) Pod(uid types.UID) *corev1.Pod { return c.index().byUID[uid] }

// PodStatus takes what a worker says of its pod. What the store knows better is kept: the deletion, and the role that an
// operator gave. A pod that is not in the store, or was replaced, is ignored. It reports whether anything changed.
func (c *Cluster) PodStatus(p *corev1.Pod) (changed bool, err error) {
	old := c.Pod(p.UID)
	if old == nil {
		return false, nil
	}
	next := *old
	next.Status = p.Status
	if p.DeletionTimestamp != nil && next.DeletionTimestamp == nil {
		next.DeletionTimestamp = p.DeletionTimestamp
	}
	stored, err := c.Update(&next, "")
	return stored != Object(old), err
}

// PodGone forgets a pod, if it is still there.
func (c *Cluster) PodGone(uid types.UID) error {
	p := c.Pod(uid)
	if p == nil {
		return nil
	}
	return c.Delete(KeyOf(p), Preconditions{UID: uid})
}

// MarkDeleted notes that a pod was asked to end. It returns nil for a pod that is not there or has been asked before.
func (c *Cluster) MarkDeleted(uid types.UID, now time.Time) (*corev1.Pod, error) {
	old := c.Pod(uid)
	if old == nil || old.DeletionTimestamp != nil {
		return nil, nil
	}
	p := *old
	at := metav1.NewTime(now)
	p.DeletionTimestamp, p.DeletionGracePeriodSeconds = &at, p.Spec.TerminationGracePeriodSeconds
	if _, err := c.Update(&p, ""); err != nil {
		return nil, err
	}
	return &p, nil
}

// SetRole labels a pod with the role that its operator sees, "" for none. It returns the role before.
func (c *Cluster) SetRole(uid types.UID, role string) (before string, err error) {
	old := c.Pod(uid)
	if old == nil || old.Labels[services.RoleLabel] == role {
		return role, nil
	}
	next := *old
	next.Labels = maps.Clone(old.Labels)
	if next.Labels == nil {
		next.Labels = map[string]string{}
	}
	next.Labels[services.RoleLabel] = role
	if role == "" {
		delete(next.Labels, services.RoleLabel)
	}
	_, err = c.Update(&next, "")
	return old.Labels[services.RoleLabel], err
}

// UpdatePod takes over spec and metadata of a pod that is changed in place, and returns it as stored.
func (c *Cluster) UpdatePod(p *corev1.Pod) (*corev1.Pod, error) {
	next := *p
	if old := c.Pod(p.UID); old != nil {
		next = *old
		next.Spec, next.Labels, next.Annotations = p.Spec, p.Labels, p.Annotations
	}
	stored, err := c.Update(&next, FileManager)
	if err != nil {
		return nil, err
	}
	return stored.(*corev1.Pod), nil
}
