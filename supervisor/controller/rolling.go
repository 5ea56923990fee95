package controller

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// roll takes one step of a rolling update (R181, R182, R186): the new ReplicaSet as far up as the surge lets it, or else the
// old ones as far down as availability lets them; when all is done it cleans up.
func (r *rollout) roll() {
	if r.newest == nil {
		r.create(min(r.newSize(nil), r.startFirst()))
	} else if r.growNew() {
		return
	}
	if r.shrinkOld() {
		return
	}
	if r.complete() {
		r.cleanUp()
	}
}

// newSize is how many pods the new ReplicaSet may have: replicas, as long as the total is at most replicas plus surge.
func (r *rollout) newSize(newest *version) int32 {
	var now int32
	if newest != nil {
		now = newest.size()
	}
	room := r.want + MaxSurge(r.d) - total(r.all())
	if room <= 0 {
		return now
	}
	return now + min(room, r.want-now)
}

// growNew resizes the new ReplicaSet and reports whether that changed its size.
func (r *rollout) growNew() bool {
	n := r.want
	if r.newest.size() < r.want {
		n = min(r.newSize(r.newest), max(r.newest.size(), r.startFirst()))
	}
	return r.resize(r.newest, n)
}

// StartFirstLimit is how long the pods beyond View.StartFirst wait at most.
const StartFirstLimit = 10 * time.Second

// startFirst returns how many new pods may be there by View.StartFirst, all wanted ones if it sets no limit now.
func (r *rollout) startFirst() int32 {
	if r.StartFirst == 0 || !r.ReplaceUnready[r.d.Name] {
		return r.want
	}
	if r.newest == nil {
		return r.StartFirst
	}
	for _, p := range r.podsOf(ownerOfReplicaSet(r.newest.ReplicaSet)) {
		end := p.CreationTimestamp.Add(StartFirstLimit)
		if ready(p) || containerEnded(p) || !r.now.Before(end) {
			return r.want
		}
		r.again(end)
	}
	return r.StartFirst
}

// containerEnded reports whether a container of the pod has ended, even if it runs again.
func containerEnded(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.ContainerStatuses, func(c corev1.ContainerStatus) bool {
		return c.RestartCount > 0 || c.State.Terminated != nil
	})
}

// shrinkOld takes from old ReplicaSets: first pods that are not available anyway (R186), then as many as availability allows.
func (r *rollout) shrinkOld() bool {
	if total(r.old) == 0 {
		return false
	}
	if r.ReplaceUnready[r.d.Name] && r.dropUnready() {
		return true
	}
	newUnavailable := r.newest.size() - r.newest.staying()
	room := total(r.all()) - MinAvailable(r.d) - newUnavailable
	if room <= 0 {
		return false
	}
	changed := false
	for _, v := range r.old {
		n := min(room, v.size()-v.staying())
		if n > 0 {
			room -= n
			changed = r.resize(v, v.size()-n) || changed
		}
	}
	return r.shrinkAvailable() || changed
}

// dropUnready takes all pods that are not Ready from old ReplicaSets, whatever maxUnavailable says.
func (r *rollout) dropUnready() bool {
	changed := false
	for _, v := range r.old {
		if n := v.pods.ready; n < v.size() {
			changed = r.resize(v, n) || changed
		}
	}
	return changed
}

func (r *rollout) shrinkAvailable() bool {
	room := -MinAvailable(r.d)
	for _, v := range r.all() {
		room += v.staying()
	}
	changed := false
	for _, v := range r.old {
		if n := min(room, v.size()); n > 0 {
			room -= n
			changed = r.resize(v, v.size()-n) || changed
		}
	}
	return changed
}

// recreate stops all old pods, waits until they are gone, and only then starts the new ones (R183).
func (r *rollout) recreate() {
	changed := false
	for _, v := range r.old {
		if v.size() > 0 {
			changed = r.resize(v, 0) || changed
		}
	}
	if changed {
		return
	}
	for _, v := range r.old {
		if v.pods.present > 0 {
			return
		}
	}
	if r.newest == nil {
		r.create(r.want)
		return
	}
	if !r.resize(r.newest, r.want) && r.complete() {
		r.cleanUp()
	}
}

// scale follows a change of spec.replicas while the template is not rolled out (R188, R189): the only ReplicaSet with pods
// takes all of it; in the middle of a roll-out it is spread in proportion to the sizes.
func (r *rollout) scale() {
	if v := r.onlyOne(); v != nil {
		r.resize(v, r.want)
		return
	}
	if r.saturated() {
		for _, v := range r.old {
			if v.size() > 0 {
				r.resize(v, 0)
			}
		}
		return
	}
	switch {
	case rolling(r.d):
		r.spread()
	case !r.d.Spec.Paused:
		r.recreate()
	}
}

// onlyOne is the one ReplicaSet with pods; if there is none, the newest one.
func (r *rollout) onlyOne() *version {
	var with []*version
	for _, v := range r.all() {
		if v.size() > 0 {
			with = append(with, v)
		}
	}
	switch {
	case len(with) == 1:
		return with[0]
	case len(with) > 1:
		return nil
	case r.newest != nil:
		return r.newest
	case len(r.old) > 0:
		return r.old[len(r.old)-1]
	}
	return nil
}

// saturated reports whether the new ReplicaSet is all that is wanted, and available.
func (r *rollout) saturated() bool {
	if r.newest == nil {
		return false
	}
	desired, ok := number(r.newest.Annotations, desiredAnnotation)
	return ok && desired == r.want && r.newest.size() == r.want && r.newest.pods.available == r.want
}

// spread shares what is to be added or taken among the ReplicaSets with pods, the biggest first; what rounding leaves over
// goes to the biggest.
func (r *rollout) spread() {
	var with []*version
	for _, v := range r.all() {
		if v.size() > 0 {
			with = append(with, v)
		}
	}
	allowed := int32(0)
	if r.want > 0 {
		allowed = r.want + MaxSurge(r.d)
	}
	change := allowed - total(with)
	sort.SliceStable(with, func(i, j int) bool {
		if with[i].size() != with[j].size() {
			return with[i].size() > with[j].size()
		}
		return (byAge(with[i].ReplicaSet, with[j].ReplicaSet) < 0) == (change <= 0)
	})
	sizes := make([]int32, len(with))
	var given int32
	for i, v := range with {
		share := r.share(v, change, given)
		sizes[i] = v.size() + share
		given += share
	}
	for i, v := range with {
		if i == 0 {
			sizes[i] = max(sizes[i]+change-given, 0)
		}
		r.resize(v, sizes[i])
	}
}

// share is the part of the change that falls to v, of which given has been given away.
func (r *rollout) share(v *version, change, given int32) int32 {
	left := change - given
	if left == 0 {
		return 0
	}
	fraction := -v.size()
	if r.want > 0 {
		before, ok := number(v.Annotations, maxAnnotation)
		if !ok || before == 0 {
			before = max(r.d.Status.Replicas, 1)
		}
		scaled := float64(v.size()) * float64(r.want+MaxSurge(r.d)) / float64(before)
		fraction = int32(math.Round(scaled)) - v.size()
	}
	if change > 0 {
		return min(fraction, left)
	}
	return max(fraction, left)
}

// complete reports whether all wanted pods are of the present template and available, and no others are left.
func (r *rollout) complete() bool {
	if r.newest == nil || total(r.old) != 0 {
		return false
	}
	c := r.newest.pods
	for _, v := range r.old {
		if v.pods.active > 0 {
			return false
		}
	}
	return c.active == r.want && c.available == r.want
}

// cleanUp deletes the oldest ReplicaSets without pods beyond revisionHistoryLimit (R187).
func (r *rollout) cleanUp() {
	limit := int(deref(r.d.Spec.RevisionHistoryLimit, 10))
	byRevision := make([]*version, len(r.old))
	copy(byRevision, r.old)
	sort.SliceStable(byRevision, func(i, j int) bool {
		return revision(byRevision[i].Annotations) < revision(byRevision[j].Annotations)
	})
	for i := 0; i < len(byRevision)-limit; i++ {
		v := byRevision[i]
		if v.size() == 0 && v.pods.active == 0 {
			r.add(DeleteReplicaSet{v.was, Why(fmt.Sprintf("%s keeps %d old revisions", r.owner.text(), limit))})
			r.drop(v)
		}
	}
}

// drop takes a deleted ReplicaSet out of this look.
func (r *rollout) drop(v *version) {
	r.look.replicaSets = without(r.look.replicaSets, v.was)
	r.old = without(r.old, v)
}

func without[T comparable](in []T, x T) []T {
	var out []T
	for _, v := range in {
		if v != x {
			out = append(out, v)
		}
	}
	return out
}
