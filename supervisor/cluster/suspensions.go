package cluster

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/order"
)

// Suspensions are the workloads that must have no pods for now, with the reason.
type Suspensions struct {
	reasons map[string]string
	// byHand are those that a person stopped or removed; a snapshot's end does not end them.
	byHand map[string]string
}

// why is the reason of a workload's suspension.
func (s *Suspensions) why(workload string) (reason string, suspended bool) {
	if reason, suspended = s.reasons[workload]; suspended {
		return reason, true
	}
	reason, suspended = s.byHand[workload]
	return reason, suspended
}

// AddByHand suspends a workload until RemoveByHand.
func (s *Suspensions) AddByHand(workload, why string) {
	if s.byHand == nil {
		s.byHand = map[string]string{}
	}
	s.byHand[workload] = why
}

// RemoveByHand ends a suspension by hand.
func (s *Suspensions) RemoveByHand(workload string) { delete(s.byHand, workload) }

// ByHand returns a copy of the suspensions by hand, by workload.
func (s *Suspensions) ByHand() map[string]string {
	out := map[string]string{}
	maps.Copy(out, s.byHand)
	return out
}

// Add suspends a workload.
func (s *Suspensions) Add(workload, why string) {
	if s.reasons == nil {
		s.reasons = map[string]string{}
	}
	s.reasons[workload] = why
}

// Remove lets workloads start again.
func (s *Suspensions) Remove(workloads []string) {
	for _, n := range workloads {
		delete(s.reasons, n)
	}
}

// SuspendMore suspends those of the workloads of which no dependent among them has pods left, and counts the pods that they
// all still have, also those of workloads that are not in the stack.
func (c *Cluster) SuspendMore(names []string, why string) (left int) {
	for _, n := range names {
		left += len(c.PodsOf(n))
	}
	if c.stack == nil {
		return left
	}
	part := &services.Stack{}
	facts := map[string]order.Facts{}
	for _, x := range c.stack.Workloads {
		if slices.Contains(names, x.Name()) {
			part.Workloads = append(part.Workloads, x)
			facts[x.Name()] = order.Facts{Pods: len(c.PodsOf(x.Name()))}
		}
	}
	for name := range order.MayStop(part, facts) {
		c.Suspensions.Add(name, why)
	}
	return left
}

// MayStop are the pods that may end now when the whole stack is stopped: those of workloads without a dependent that still
// has pods, and those that are in no stack. Pods of which stopped is true do not count, and are not among them.
func (c *Cluster) MayStop(stopped func(*corev1.Pod) bool) []*corev1.Pod {
	facts := map[string]order.Facts{}
	for name, pods := range c.index().byWorkload {
		left := slices.DeleteFunc(slices.Clone(pods), stopped)
		facts[name] = order.Facts{Pods: len(left)}
	}
	var may map[string]bool
	if c.stack != nil {
		may = order.MayStop(c.stack, facts)
	}
	var out []*corev1.Pod
	for _, p := range c.Pods() {
		name := p.Labels[services.WorkloadLabel]
		if !stopped(p) && (c.stack == nil || c.stack.Workload(name) == nil || may[name]) {
			out = append(out, p)
		}
	}
	return out
}
