package controller

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
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
	// newest is the ReplicaSet of the present template, nil if there is none; old are the others, oldest first.
	newest *version
	old    []*version
	// created says that this look makes the newest.
	created bool
}

// version is a ReplicaSet of the Deployment.
type version struct {
	// ReplicaSet is what this look makes of it. It is the view's own, which is only read, until edit puts a copy in its place.
	*appsv1.ReplicaSet
	// was is the view's; nil for one that this look creates.
	was *appsv1.ReplicaSet
	// pods are its pods as they were seen.
	pods podCount
}

// edit is the ReplicaSet as a copy that may be changed.
func (v *version) edit() *appsv1.ReplicaSet {
	if v.ReplicaSet == v.was {
		v.ReplicaSet = v.was.DeepCopy()
	}
	return v.ReplicaSet
}

// annotate sets an annotation.
func (v *version) annotate(key, value string) {
	if old, ok := v.Annotations[key]; !ok || old != value {
		rs := v.edit()
		rs.Annotations = withLabel(rs.Annotations, key, value)
	}
}

// podCount are the pods of a ReplicaSet: active, ready and available ones, active ones whose probes are paused, and those not ended,
// deleted ones included.
type podCount struct{ active, ready, available, paused, present int32 }

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
	case r.growsAnew():
		r.keepOld()
		r.roll()
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

// growsAnew reports whether the number of pods grows together with the template, as in a change of profiles.
func (r *rollout) growsAnew() bool {
	return r.GrowAnew && !r.d.Spec.Paused && rolling(r.d) && r.newest == nil && r.scaling() && r.want > total(r.old)
}

// keepOld has the old ReplicaSets stay as they are, so that all pods that are added have the new template.
func (r *rollout) keepOld() {
	for _, v := range r.old {
		if v.size() > 0 {
			v.annotate(desiredAnnotation, strconv.Itoa(int(r.want)))
			v.annotate(maxAnnotation, strconv.Itoa(int(r.want+MaxSurge(r.d))))
		}
	}
}

// find sorts out the ReplicaSets of the Deployment and counts their pods.
func (r *rollout) find() {
	for _, rs := range slices.SortedStableFunc(slices.Values(r.ownedReplicaSets.of(r.owner)), byAge) {
		v := &version{ReplicaSet: rs, was: rs, pods: r.count(rs)}
		if r.newest == nil && r.Cache.sameTemplate(&rs.Spec.Template, &r.d.Spec.Template) {
			r.newest = v
		} else {
			r.old = append(r.old, v)
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
		if services.PausedProbes(p) != nil {
			c.paused++
		}
		if r.look.available(p, r.d.Spec.MinReadySeconds) {
			c.available++
		}
	}
	return c
}

// byAge orders ReplicaSets by creation, oldest first, and within a second by revision.
func byAge(a, b *appsv1.ReplicaSet) int {
	if n := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); n != 0 {
		return n
	}
	return cmp.Compare(revision(a.Annotations), revision(b.Annotations))
}

// sameTemplate compares templates without the hash label (R180).
func sameTemplate(a, b *corev1.PodTemplateSpec) bool {
	x, y := *a, *b
	x.Labels, y.Labels = maps.Clone(a.Labels), maps.Clone(b.Labels)
	delete(x.Labels, hashLabel)
	delete(y.Labels, hashLabel)
	return equality.Semantic.DeepEqual(&x, &y)
}

// all are the ReplicaSets, the newest last.
func (r *rollout) all() []*version {
	out := slices.Clone(r.old)
	if r.newest != nil {
		out = append(out, r.newest)
	}
	return out
}

func size(rs *appsv1.ReplicaSet) int32 { return deref(rs.Spec.Replicas, 1) }

// size is how many pods this look wants of it.
func (v *version) size() int32 { return size(v.ReplicaSet) }

func total(versions []*version) int32 {
	var n int32
	for _, v := range versions {
		n += v.size()
	}
	return n
}

// staying is how many pods will certainly stay available: those that are, but no more than it is to keep.
func (v *version) staying() int32 { return min(v.pods.available, v.size()) }

// scaling reports whether spec.replicas has changed since the ReplicaSets were sized.
func (r *rollout) scaling() bool {
	return slices.ContainsFunc(r.all(), func(v *version) bool {
		n, ok := number(v.Annotations, desiredAnnotation)
		return v.size() > 0 && ok && n != r.want
	})
}

// syncRevision gives the ReplicaSet of the present template the highest revision number (R187) and the Deployment's
// minReadySeconds.
func (r *rollout) syncRevision() {
	if r.newest == nil {
		return
	}
	if next := maxRevision(r.old) + 1; revision(r.newest.Annotations) < next {
		r.newest.annotate(revisionAnnotation, strconv.FormatInt(next, 10))
	}
	if seconds := r.d.Spec.MinReadySeconds; r.newest.Spec.MinReadySeconds != seconds {
		r.newest.edit().Spec.MinReadySeconds = seconds
	}
}

// create makes the ReplicaSet of the present template with n pods.
func (r *rollout) create(n int32) {
	collisions := r.d.Status.CollisionCount
	t := r.d.Spec.Template.DeepCopy()
	hash := TemplateHash(t, collisions)
	for extra := deref(collisions, 0); r.named(r.d.Name + "-" + hash); {
		extra++
		hash = TemplateHash(t, &extra)
	}
	t.Labels = withLabel(t.Labels, hashLabel, hash)
	selector := r.d.Spec.Selector.DeepCopy()
	if selector == nil {
		selector = &metav1.LabelSelector{}
	}
	selector.MatchLabels = withLabel(selector.MatchLabels, hashLabel, hash)
	r.newest = &version{ReplicaSet: &appsv1.ReplicaSet{
		TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "ReplicaSet"},
		ObjectMeta: metav1.ObjectMeta{
			Name: r.d.Name + "-" + hash, Namespace: r.d.Namespace, Labels: t.Labels,
			Annotations:     map[string]string{revisionAnnotation: strconv.FormatInt(maxRevision(r.old)+1, 10)},
			OwnerReferences: r.owner.reference(), CreationTimestamp: metav1.NewTime(r.now),
		},
		Spec: appsv1.ReplicaSetSpec{Replicas: &n, MinReadySeconds: r.d.Spec.MinReadySeconds, Selector: selector, Template: *t},
	}}
	r.annotate(r.newest)
	r.created = true
}

// named reports whether the Deployment has a ReplicaSet of this name.
func (r *rollout) named(name string) bool {
	return slices.ContainsFunc(r.all(), func(v *version) bool { return v.Name == name })
}

// resize gives v n pods and the annotations that say for which size of the Deployment that was. It reports whether the size
// changed.
func (r *rollout) resize(v *version, n int32) bool {
	changed := v.size() != n
	if changed || v.Spec.Replicas == nil {
		v.edit().Spec.Replicas = &n
	}
	r.annotate(v)
	return changed
}

func (r *rollout) annotate(v *version) {
	v.annotate(desiredAnnotation, strconv.Itoa(int(r.want)))
	v.annotate(maxAnnotation, strconv.Itoa(int(r.want+MaxSurge(r.d))))
}

// apply turns what this look changed on ReplicaSets into actions, and lets the rest of the look see it.
func (r *rollout) apply() {
	for _, v := range r.all() {
		switch {
		case v.was == nil:
			r.add(CreateReplicaSet{v.ReplicaSet, Why(fmt.Sprintf("%s has a new template", r.owner.text()))})
			if n := v.size(); n > 0 { // with maxSurge 0 it is made empty, and grows when an old pod has gone
				r.event(r.owner, corev1.EventTypeNormal, "ScalingReplicaSet", "Scaled up replica set %s from 0 to %d", v.Name, n)
			}
			r.replicaSets = append(r.replicaSets, v.ReplicaSet)
			continue
		case v.ReplicaSet == v.was:
			continue
		}
		from, to := size(v.was), v.size()
		r.add(ScaleReplicaSet{v.ReplicaSet, from, to, Why(r.why(v, from, to))})
		if from != to {
			r.event(r.owner, corev1.EventTypeNormal, "ScalingReplicaSet", "Scaled %s replica set %s from %d to %d", upOrDown(from, to), v.Name, from, to)
		}
		r.replicaSets[slices.Index(r.replicaSets, v.was)] = v.ReplicaSet
	}
}

func (r *rollout) why(v *version, from, to int32) string {
	switch {
	case from == to:
		return fmt.Sprintf("%s is at revision %d", r.owner.text(), revision(v.Annotations))
	case v == r.newest:
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

func maxRevision(versions []*version) int64 {
	var n int64
	for _, v := range versions {
		n = max(n, revision(v.Annotations))
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
