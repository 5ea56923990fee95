package controller

import (
	"fmt"
	"math"
	"sort"

	appsv1 "k8s.io/api/apps/v1"
)

// roll takes one step of a rolling update (R181, R182, R186): the new ReplicaSet as far up as the surge lets it, or else the
// old ones as far down as availability lets them; when all is done it cleans up.
func (r *rollout) roll() {
	if r.newest == nil {
		r.create(r.newSize(nil))
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
func (r *rollout) newSize(newest *appsv1.ReplicaSet) int32 {
	var now int32
	if newest != nil {
		now = size(newest)
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
	if size(r.newest) < r.want {
		n = r.newSize(r.newest)
	}
	return r.resize(r.newest, n)
}

// shrinkOld takes from old ReplicaSets: first pods that are not available anyway (R186), then as many as availability allows.
func (r *rollout) shrinkOld() bool {
	if total(r.old) == 0 {
		return false
	}
	if r.ReplaceUnready[r.d.Name] && r.dropUnready() {
		return true
	}
	newUnavailable := size(r.newest) - r.availableOf(r.newest)
	room := total(r.all()) - MinAvailable(r.d) - newUnavailable
	if room <= 0 {
		return false
	}
	changed := false
	for _, rs := range r.old {
		n := min(room, size(rs)-r.availableOf(rs))
		if n > 0 {
			room -= n
			changed = r.resize(rs, size(rs)-n) || changed
		}
	}
	return r.shrinkAvailable() || changed
}

// dropUnready takes all pods that are not Ready from old ReplicaSets, whatever maxUnavailable says.
func (r *rollout) dropUnready() bool {
	changed := false
	for _, rs := range r.old {
		if n := r.tally[rs.Name].ready; n < size(rs) {
			changed = r.resize(rs, n) || changed
		}
	}
	return changed
}

func (r *rollout) shrinkAvailable() bool {
	room := -MinAvailable(r.d)
	for _, rs := range r.all() {
		room += r.availableOf(rs)
	}
	changed := false
	for _, rs := range r.old {
		if n := min(room, size(rs)); n > 0 {
			room -= n
			changed = r.resize(rs, size(rs)-n) || changed
		}
	}
	return changed
}

// recreate stops all old pods, waits until they are gone, and only then starts the new ones (R183).
func (r *rollout) recreate() {
	changed := false
	for _, rs := range r.old {
		if size(rs) > 0 {
			changed = r.resize(rs, 0) || changed
		}
	}
	if changed {
		return
	}
	for _, rs := range r.old {
		if r.tally[rs.Name].present > 0 {
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
	if rs := r.onlyOne(); rs != nil {
		r.resize(rs, r.want)
		return
	}
	if r.saturated() {
		for _, rs := range r.old {
			if size(rs) > 0 {
				r.resize(rs, 0)
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
func (r *rollout) onlyOne() *appsv1.ReplicaSet {
	var with []*appsv1.ReplicaSet
	for _, rs := range r.all() {
		if size(rs) > 0 {
			with = append(with, rs)
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
	return ok && desired == r.want && size(r.newest) == r.want && r.tally[r.newest.Name].available == r.want
}

// spread shares what is to be added or taken among the ReplicaSets with pods, the biggest first; what rounding leaves over
// goes to the biggest.
func (r *rollout) spread() {
	var with []*appsv1.ReplicaSet
	for _, rs := range r.all() {
		if size(rs) > 0 {
			with = append(with, rs)
		}
	}
	allowed := int32(0)
	if r.want > 0 {
		allowed = r.want + MaxSurge(r.d)
	}
	change := allowed - total(with)
	sort.SliceStable(with, func(i, j int) bool {
		if size(with[i]) != size(with[j]) {
			return size(with[i]) > size(with[j])
		}
		return older(with[i], with[j]) == (change <= 0)
	})
	sizes := make([]int32, len(with))
	var given int32
	for i, rs := range with {
		share := r.share(rs, change, given)
		sizes[i] = size(rs) + share
		given += share
	}
	for i, rs := range with {
		if i == 0 {
			sizes[i] = max(sizes[i]+change-given, 0)
		}
		r.resize(rs, sizes[i])
	}
}

// share is the part of the change that falls to rs, of which given has been given away.
func (r *rollout) share(rs *appsv1.ReplicaSet, change, given int32) int32 {
	left := change - given
	if left == 0 {
		return 0
	}
	fraction := -size(rs)
	if r.want > 0 {
		before, ok := number(rs.Annotations, maxAnnotation)
		if !ok || before == 0 {
			before = max(r.d.Status.Replicas, 1)
		}
		scaled := float64(size(rs)) * float64(r.want+MaxSurge(r.d)) / float64(before)
		fraction = int32(math.Round(scaled)) - size(rs)
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
	c := r.tally[r.newest.Name]
	for _, rs := range r.old {
		if r.tally[rs.Name].active > 0 {
			return false
		}
	}
	return c.active == r.want && c.available == r.want
}

// cleanUp deletes the oldest ReplicaSets without pods beyond revisionHistoryLimit (R187).
func (r *rollout) cleanUp() {
	limit := int(deref(r.d.Spec.RevisionHistoryLimit, 10))
	byRevision := make([]*appsv1.ReplicaSet, len(r.old))
	copy(byRevision, r.old)
	sort.SliceStable(byRevision, func(i, j int) bool {
		return revision(byRevision[i].Annotations) < revision(byRevision[j].Annotations)
	})
	for i := 0; i < len(byRevision)-limit; i++ {
		rs := byRevision[i]
		if size(rs) == 0 && r.tally[rs.Name].active == 0 {
			r.add(DeleteReplicaSet{r.was[rs.Name], Why(fmt.Sprintf("%s keeps %d old revisions", r.owner.text(), limit))})
			r.drop(rs)
		}
	}
}

// drop takes a deleted ReplicaSet out of this look.
func (r *rollout) drop(rs *appsv1.ReplicaSet) {
	was := r.was[rs.Name]
	r.look.replicaSets = without(r.look.replicaSets, was)
	r.old = without(r.old, rs)
	delete(r.was, rs.Name)
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
