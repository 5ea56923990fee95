package controller

import (
	"fmt"
	"slices"
	"sort"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The annotations by which a Deployment and its ReplicaSets remember the roll-out, as in Kubernetes.
const (
	revisionAnnotation = "deployment.kubernetes.io/revision"
	desiredAnnotation  = "deployment.kubernetes.io/desired-replicas"
	maxAnnotation      = "deployment.kubernetes.io/max-replicas"
	hashLabel          = appsv1.DefaultDeploymentUniqueLabelKey
)

// rollout is one look at one Deployment.
type rollout struct {
	*look
	d     *appsv1.Deployment
	owner owner
	want  int32
	// newest is the ReplicaSet of the present template, nil if there is none; old are the others, oldest first. Both are
	// copies that this look may change.
	newest *appsv1.ReplicaSet
	old    []*appsv1.ReplicaSet
	// was is what they were before this look.
	was map[string]*appsv1.ReplicaSet
	// tally counts the pods of each ReplicaSet.
	tally map[string]podCount
	// created says that this look makes the newest.
	created bool
}

// podCount are the pods of a ReplicaSet: active, ready and available ones, and those not ended, deleted ones included.
type podCount struct{ active, ready, available, present int32 }

// deployment decides R180-R189. It changes the size of ReplicaSets only; pods follow by the ReplicaSets' own rules.
func (l *look) deployment(d *appsv1.Deployment) {
	r := &rollout{look: l, d: d, owner: ownerOfDeployment(d), want: deref(d.Spec.Replicas, 1)}
	r.find()
	if d.DeletionTimestamp == nil {
		r.decide()
		r.apply()
	}
	r.status()
}

func (r *rollout) decide() {
	switch {
	case r.d.Spec.Paused || r.scaling():
		r.syncRevision()
		r.scale()
		if r.d.Spec.Paused {
			r.cleanUp()
		}
	case r.d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType:
		r.syncRevision()
		r.recreate()
	default:
		r.syncRevision()
		r.roll()
	}
}

// find sorts out the ReplicaSets of the Deployment and counts their pods.
func (r *rollout) find() {
	r.was, r.tally = map[string]*appsv1.ReplicaSet{}, map[string]podCount{}
	var mine []*appsv1.ReplicaSet
	for _, rs := range r.replicaSets {
		if r.owner.owns(rs.Namespace, rs.OwnerReferences) {
			mine = append(mine, rs.DeepCopy())
			r.was[rs.Name] = rs
			r.tally[rs.Name] = r.count(rs)
		}
	}
	sort.SliceStable(mine, func(i, j int) bool { return older(mine[i], mine[j]) })
	for _, rs := range mine {
		if r.newest == nil && sameTemplate(&rs.Spec.Template, &r.d.Spec.Template) {
			r.newest = rs
		} else {
			r.old = append(r.old, rs)
		}
	}
}

func (r *rollout) count(rs *appsv1.ReplicaSet) podCount {
	var c podCount
	for _, p := range r.podsOf(ownerOfReplicaSet(rs)) {
		if !ended(p) {
			c.present++
		}
		if !active(p) {
			continue
		}
		c.active++
		if ready(p) {
			c.ready++
		}
		if r.look.available(p, r.d.Spec.MinReadySeconds) {
			c.available++
		}
	}
	return c
}

// older orders ReplicaSets by creation and, within a second, by revision.
func older(a, b *appsv1.ReplicaSet) bool {
	if !a.CreationTimestamp.Time.Equal(b.CreationTimestamp.Time) {
		return a.CreationTimestamp.Time.Before(b.CreationTimestamp.Time)
	}
	return revision(a.Annotations) < revision(b.Annotations)
}

// sameTemplate compares templates without the hash label (R180).
func sameTemplate(a, b *corev1.PodTemplateSpec) bool {
	x, y := a.DeepCopy(), b.DeepCopy()
	delete(x.Labels, hashLabel)
	delete(y.Labels, hashLabel)
	return equality.Semantic.DeepEqual(x, y)
}

// all are the ReplicaSets, the newest last.
func (r *rollout) all() []*appsv1.ReplicaSet {
	out := slices.Clone(r.old)
	if r.newest != nil {
		out = append(out, r.newest)
	}
	return out
}

func size(rs *appsv1.ReplicaSet) int32 { return deref(rs.Spec.Replicas, 1) }

func total(sets []*appsv1.ReplicaSet) int32 {
	var n int32
	for _, rs := range sets {
		n += size(rs)
	}
	return n
}

// availableOf is how many pods of rs will certainly stay available: those that are, but no more than it is to keep.
func (r *rollout) availableOf(rs *appsv1.ReplicaSet) int32 {
	return min(r.tally[rs.Name].available, size(rs))
}

// scaling reports whether spec.replicas has changed since the ReplicaSets were sized.
func (r *rollout) scaling() bool {
	return slices.ContainsFunc(r.all(), func(rs *appsv1.ReplicaSet) bool {
		n, ok := number(rs.Annotations, desiredAnnotation)
		return size(rs) > 0 && ok && n != r.want
	})
}

// syncRevision gives the ReplicaSet of the present template the highest revision number (R187) and the Deployment's
// minReadySeconds.
func (r *rollout) syncRevision() {
	if r.newest == nil {
		return
	}
	if next := maxRevision(r.old) + 1; revision(r.newest.Annotations) < next {
		r.newest.Annotations = withLabel(r.newest.Annotations, revisionAnnotation, strconv.FormatInt(next, 10))
	}
	r.newest.Spec.MinReadySeconds = r.d.Spec.MinReadySeconds
}

// create makes the ReplicaSet of the present template with n pods.
func (r *rollout) create(n int32) {
	collisions := r.d.Status.CollisionCount
	t := r.d.Spec.Template.DeepCopy()
	hash := TemplateHash(t, collisions)
	for extra := deref(collisions, 0); r.was[r.d.Name+"-"+hash] != nil; {
		extra++
		hash = TemplateHash(t, &extra)
	}
	t.Labels = withLabel(t.Labels, hashLabel, hash)
	selector := r.d.Spec.Selector.DeepCopy()
	if selector == nil {
		selector = &metav1.LabelSelector{}
	}
	selector.MatchLabels = withLabel(selector.MatchLabels, hashLabel, hash)
	r.newest = &appsv1.ReplicaSet{
		TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "ReplicaSet"},
		ObjectMeta: metav1.ObjectMeta{
			Name: r.d.Name + "-" + hash, Namespace: r.d.Namespace, Labels: t.Labels,
			Annotations:     map[string]string{revisionAnnotation: strconv.FormatInt(maxRevision(r.old)+1, 10)},
			OwnerReferences: r.owner.reference(), CreationTimestamp: metav1.NewTime(r.now),
		},
		Spec: appsv1.ReplicaSetSpec{Replicas: &n, MinReadySeconds: r.d.Spec.MinReadySeconds, Selector: selector, Template: *t},
	}
	r.annotate(r.newest)
	r.created = true
}

// resize gives rs n pods and the annotations that say for which size of the Deployment that was.
func (r *rollout) resize(rs *appsv1.ReplicaSet, n int32) bool {
	changed := size(rs) != n
	rs.Spec.Replicas = &n
	r.annotate(rs)
	return changed
}

func (r *rollout) annotate(rs *appsv1.ReplicaSet) {
	rs.Annotations = withLabel(rs.Annotations, desiredAnnotation, strconv.Itoa(int(r.want)))
	rs.Annotations[maxAnnotation] = strconv.Itoa(int(r.want + MaxSurge(r.d)))
}

// apply turns what this look changed on ReplicaSets into actions, and lets the rest of the look see it.
func (r *rollout) apply() {
	for _, rs := range r.all() {
		was := r.was[rs.Name]
		switch {
		case was == nil:
			r.add(CreateReplicaSet{rs, Why(fmt.Sprintf("%s has a new template", r.owner.text()))})
			if n := size(rs); n > 0 { // with maxSurge 0 it is made empty, and grows when an old pod has gone
				r.event(r.owner, corev1.EventTypeNormal, "ScalingReplicaSet", "Scaled up replica set %s from 0 to %d", rs.Name, n)
			}
			r.replicaSets = append(r.replicaSets, rs)
			continue
		case equality.Semantic.DeepEqual(was, rs):
			continue
		}
		from, to := size(was), size(rs)
		r.add(ScaleReplicaSet{rs, from, to, Why(r.why(rs, from, to))})
		if from != to {
			r.event(r.owner, corev1.EventTypeNormal, "ScalingReplicaSet", "Scaled %s replica set %s from %d to %d", upOrDown(from, to), rs.Name, from, to)
		}
		r.replicaSets[slices.Index(r.replicaSets, was)] = rs
	}
}

func (r *rollout) why(rs *appsv1.ReplicaSet, from, to int32) string {
	switch {
	case from == to:
		return fmt.Sprintf("%s is at revision %d", r.owner.text(), revision(rs.Annotations))
	case rs == r.newest:
		return fmt.Sprintf("%s wants %d pods of this template", r.owner.text(), r.want)
	case r.newest == nil:
		return fmt.Sprintf("%s wants %d pods", r.owner.text(), r.want)
	}
	return fmt.Sprintf("%s goes over to %s", r.owner.text(), r.newest.Name)
}

func upOrDown(from, to int32) string {
	if to > from {
		return "up"
	}
	return "down"
}

func maxRevision(sets []*appsv1.ReplicaSet) int64 {
	var n int64
	for _, rs := range sets {
		n = max(n, revision(rs.Annotations))
	}
	return n
}

func revision(annotations map[string]string) int64 {
	n, err := strconv.ParseInt(annotations[revisionAnnotation], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func number(annotations map[string]string, key string) (int32, bool) {
	n, err := strconv.ParseInt(annotations[key], 10, 32)
	return int32(n), err == nil
}
