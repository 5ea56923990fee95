package controller

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
)

// statefulState is one look at one StatefulSet.
type statefulState struct {
	*look
	set     *appsv1.StatefulSet
	owner   owner
	history history
	start   int
	// replicas is by ordinal minus start, nil where there is no pod; condemned is from the highest ordinal down.
	replicas  []*corev1.Pod
	condemned []*corev1.Pod
	// unhealthy is the first pod that is not available: the lowest replica, else the lowest condemned one; missing says
	// that a replica which does not exist comes before it.
	unhealthy *corev1.Pod
	missing   bool
	deleted   map[*corev1.Pod]bool
}

// statefulSet decides R170-R179: first the wanted ordinals are filled, then those beyond are removed, then the template is
// rolled out. OrderedReady does one thing at a time and stops at the first pod that is not available.
func (l *look) statefulSet(set *appsv1.StatefulSet) {
	st := &statefulState{look: l, set: set, owner: ownerOfStatefulSet(set), deleted: map[*corev1.Pod]bool{}}
	st.history = l.revisions(set)
	pods := st.sort(l.podsOf(st.owner))
	if set.DeletionTimestamp == nil && st.fill() && st.condemn() && set.Spec.UpdateStrategy.Type != appsv1.OnDeleteStatefulSetStrategyType {
		st.rollOut()
	}
	st.status(pods)
	l.truncate(set, st.history, pods)
}

// ordered reports whether one pod at a time is touched (R170); Parallel does them all (R171).
func (st *statefulState) ordered() bool {
	return st.set.Spec.PodManagementPolicy != appsv1.ParallelPodManagement
}

// ordinal is the number at the end of a pod's name, -1 if the name is not one of the set's (R177).
func ordinal(set string, pod string) int {
	rest, ok := strings.CutPrefix(pod, set)
	digits, dash := strings.CutPrefix(rest, "-")
	n, err := strconv.ParseUint(digits, 10, strconv.IntSize-1)
	if !ok || !dash || err != nil {
		return -1
	}
	return int(n)
}

// sort puts the pods to their places and finds the first unhealthy one. It returns all pods with an ordinal.
func (st *statefulState) sort(pods []*corev1.Pod) []*corev1.Pod {
	if o := st.set.Spec.Ordinals; o != nil {
		st.start = int(o.Start)
	}
	st.replicas = make([]*corev1.Pod, int(deref(st.set.Spec.Replicas, 1)))
	var out []*corev1.Pod
	for _, p := range pods {
		n := ordinal(st.set.Name, p.Name)
		if n < 0 {
			continue
		}
		out = append(out, p)
		if i := n - st.start; i >= 0 && i < len(st.replicas) {
			st.replicas[i] = p
		} else {
			st.condemned = append(st.condemned, p)
		}
	}
	sort.Slice(st.condemned, func(i, j int) bool {
		return ordinal(st.set.Name, st.condemned[i].Name) > ordinal(st.set.Name, st.condemned[j].Name)
	})
	for _, p := range st.replicas {
		st.noteUnhealthy(p)
	}
	for i := len(st.condemned) - 1; i >= 0; i-- {
		st.noteUnhealthy(st.condemned[i])
	}
	return out
}

func (st *statefulState) noteUnhealthy(p *corev1.Pod) {
	switch {
	case st.unhealthy != nil || st.missing:
	case p == nil:
		st.missing = true
	case !st.healthy(p):
		st.unhealthy = p
	}
}

// healthy pods run, are available and are not being deleted.
func (st *statefulState) healthy(p *corev1.Pod) bool {
	return p.DeletionTimestamp == nil && st.runningAndAvailable(p)
}

func (st *statefulState) runningAndAvailable(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodRunning && st.available(p, st.set.Spec.MinReadySeconds)
}

// fill creates missing pods and deletes ended ones so that they come back (R170, R173). It reports whether the look may go on
// to scaling down and updating.
func (st *statefulState) fill() bool {
	for i, p := range st.replicas {
		blocked := false
		switch {
		case p == nil:
			st.create(i)
			blocked = true
		case ended(p):
			st.delete(p, fmt.Sprintf("it has ended (%s) and is made anew", p.Status.Phase))
			blocked = true
		case st.stuck(i, p):
			st.delete(p, fmt.Sprintf("%s has a new template, and the pod of the old one cannot become ready", st.owner.text()))
			blocked = true
		default:
			blocked = !st.healthy(p)
		}
		if blocked && st.ordered() {
			return false
		}
	}
	return true
}

// stuck reports whether a pod of an old revision keeps an update from beginning: with OrderedReady nothing is updated before all pods
// are available, which it never becomes if its template was wrong, or if somebody asks for a restart because it hangs.
func (st *statefulState) stuck(i int, p *corev1.Pod) bool {
	if !st.ReplaceStuck || i < st.partition() || st.set.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType ||
		revisionOf(p) == st.history.update.Name || st.healthy(p) || p.DeletionTimestamp != nil {
		return false
	}
	asked := st.set.Spec.Template.Annotations[services.RestartedAtAnnotation]
	return asked != "" && asked != p.Annotations[services.RestartedAtAnnotation] || fails(p)
}

// startingReasons are the waiting reasons of containers whose turn has not come.
var startingReasons = []string{"", "ContainerCreating", "PodInitializing", "Held"}

// fails reports whether a container of a pod waits for something other than its turn: it ends again and again, or cannot be started.
func fails(p *corev1.Pod) bool {
	for _, list := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses} {
		for i := range list {
			w := list[i].State.Waiting
			if w != nil && !slices.Contains(startingReasons, w.Reason) {
				return true
			}
		}
	}
	return false
}

func (st *statefulState) create(i int) {
	n := st.start + i
	p := st.pod(n)
	why := fmt.Sprintf("%s wants ordinal %d", st.owner.text(), n)
	if st.ordered() && i > 0 {
		why += ", and all before it are ready"
	}
	st.add(CreatePod{p, Why(why)})
	st.event(st.owner, corev1.EventTypeNormal, "SuccessfulCreate", "Create Pod %s in StatefulSet %s successful", p.Name, st.set.Name)
}

func (st *statefulState) delete(p *corev1.Pod, why string) {
	if p.DeletionTimestamp != nil || st.deleted[p] {
		return
	}
	st.deleted[p] = true
	st.add(DeletePod{p, Why(why)})
	st.event(st.owner, corev1.EventTypeNormal, "SuccessfulDelete", "Delete Pod %s in StatefulSet %s successful", p.Name, st.set.Name)
}

// condemn removes pods beyond the wanted ordinals (R172): with OrderedReady the highest first, the next when it is gone, and
// only while nothing else is unhealthy. It reports whether the look may go on to updating.
func (st *statefulState) condemn() bool {
	for _, p := range st.condemned {
		if st.ordered() && p.DeletionTimestamp != nil {
			return false
		}
		if st.ordered() && !st.runningAndAvailable(p) && p != st.unhealthy {
			return false
		}
		st.delete(p, fmt.Sprintf("%s wants %d pods", st.owner.text(), len(st.replicas)))
		if st.ordered() {
			return false
		}
	}
	return true
}

// rollOut replaces the highest pod of an old revision, one at a time, down to the partition (R174-R176). It waits for a pod of
// the new revision that is not available yet, but not for one of an old revision.
func (st *statefulState) rollOut() {
	for i := len(st.replicas) - 1; i >= st.partition(); i-- {
		p := st.replicas[i]
		if p == nil {
			return
		}
		if revisionOf(p) != st.history.update.Name && p.DeletionTimestamp == nil {
			st.delete(p, fmt.Sprintf("%s has a new template", st.owner.text()))
			return
		}
		if !st.healthy(p) {
			return
		}
	}
}

// partition is how many of the lowest pods keep the old template (R175).
func (st *statefulState) partition() int {
	if r := st.set.Spec.UpdateStrategy.RollingUpdate; r != nil {
		return int(deref(r.Partition, 0))
	}
	return 0
}

// status counts the pods as they were seen, and ends a roll-out that is complete.
func (st *statefulState) status(pods []*corev1.Pod) {
	old := &st.set.Status
	s := st.set.Status
	s.ObservedGeneration = st.set.Generation
	s.CurrentRevision, s.UpdateRevision = st.history.current.Name, st.history.update.Name
	s.CollisionCount = &st.history.collisions
	s.Replicas, s.ReadyReplicas, s.AvailableReplicas, s.CurrentReplicas, s.UpdatedReplicas = int32(len(pods)), 0, 0, 0, 0
	for _, p := range pods {
		if p.Status.Phase == corev1.PodRunning && ready(p) {
			s.ReadyReplicas++
		}
		if st.runningAndAvailable(p) {
			s.AvailableReplicas++
		}
		if p.DeletionTimestamp != nil {
			continue
		}
		if revisionOf(p) == s.CurrentRevision {
			s.CurrentReplicas++
		}
		if revisionOf(p) == s.UpdateRevision {
			s.UpdatedReplicas++
		}
	}
	n := int32(len(st.replicas))
	rolling := st.set.Spec.UpdateStrategy.Type != appsv1.OnDeleteStatefulSetStrategyType
	if rolling && s.UpdatedReplicas == n && s.ReadyReplicas == n && s.Replicas == n {
		s.CurrentReplicas, s.CurrentRevision = s.UpdatedReplicas, s.UpdateRevision
	}
	if sameStatefulSetStatus(&s, old) {
		return
	}
	changed := st.set.DeepCopy()
	changed.Status = s
	st.add(UpdateStatus{
		Object: changed, Kind: "StatefulSet", Name: st.set.Name, Why: "its pods changed",
		Text: fmt.Sprintf("replicas=%d ready=%d available=%d current=%d updated=%d",
			s.Replicas, s.ReadyReplicas, s.AvailableReplicas, s.CurrentReplicas, s.UpdatedReplicas),
	})
}
