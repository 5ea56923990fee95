package controller

import (
	"math"
	"sort"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// deletionCost is the annotation that makes a pod cheaper or dearer to delete (R190).
const deletionCost = corev1.PodDeletionCost

// rankedPod is a pod with the number of pods of its kind on its node.
type rankedPod struct {
	*corev1.Pod
	sameNode int
}

// cheapestFirst sorts pods so that those which a scale down takes come first (R190): not scheduled, then Pending, then not
// ready, then lower pod-deletion-cost, then more of its kind on the node, then shorter ready (by powers of two), then more
// restarts, then newer (by powers of two). related are the pods among which "of its kind" is counted.
func cheapestFirst(pods, related []*corev1.Pod, now time.Time) []*corev1.Pod {
	onNode := map[string]int{}
	for _, p := range related {
		if active(p) {
			onNode[p.Spec.NodeName]++
		}
	}
	ranked := make([]rankedPod, len(pods))
	for i, p := range pods {
		ranked[i] = rankedPod{p, onNode[p.Spec.NodeName]}
	}
	sort.SliceStable(ranked, func(i, j int) bool { return cheaper(ranked[i], ranked[j], now) })
	out := make([]*corev1.Pod, len(pods))
	for i := range ranked {
		out[i] = ranked[i].Pod
	}
	return out
}

// cheaper is the order of R190, one criterion after the other.
func cheaper(a, b rankedPod, now time.Time) bool {
	if x, y := a.Spec.NodeName == "", b.Spec.NodeName == ""; x != y {
		return x
	}
	if x, y := phaseRank(a.Pod), phaseRank(b.Pod); x != y {
		return x < y
	}
	if x, y := ready(a.Pod), ready(b.Pod); x != y {
		return y
	}
	if x, y := costOf(a.Pod), costOf(b.Pod); x != y {
		return x < y
	}
	if a.sameNode != b.sameNode {
		return a.sameNode > b.sameNode
	}
	if ready(a.Pod) && ready(b.Pod) {
		x, y := readyCondition(a.Pod).LastTransitionTime.Time, readyCondition(b.Pod).LastTransitionTime.Time
		if !x.Equal(y) {
			return younger(a, b, x, y, now)
		}
	}
	ac, as := restarts(a.Pod)
	bc, bs := restarts(b.Pod)
	switch {
	case ac != bc:
		return ac > bc
	case as != bs:
		return as > bs
	}
	if x, y := a.CreationTimestamp.Time, b.CreationTimestamp.Time; !x.Equal(y) {
		return younger(a, b, x, y, now)
	}
	return false
}

// younger compares two different ages by the power of two they lie in, and by UID within one. A time that is not known is
// the youngest.
func younger(a, b rankedPod, x, y, now time.Time) bool {
	if x.IsZero() || y.IsZero() {
		return x.IsZero() && !y.IsZero()
	}
	p, q := agePower(now.Sub(x)), agePower(now.Sub(y))
	if p == q {
		return a.UID < b.UID
	}
	return p < q
}

func agePower(age time.Duration) int {
	if age <= 0 {
		return -1
	}
	return int(math.Log2(float64(age)))
}

func phaseRank(p *corev1.Pod) int {
	switch p.Status.Phase {
	case corev1.PodPending, "":
		return 0
	case corev1.PodUnknown:
		return 1
	}
	return 2
}

// costOf is the pod-deletion-cost, 0 if there is none or it is no number.
func costOf(p *corev1.Pod) int32 {
	n, err := strconv.ParseInt(p.Annotations[deletionCost], 10, 32)
	if err != nil {
		return 0
	}
	return int32(n)
}
