package supervisor

import (
	"time"

	"github.com/lyandev/lyandev/supervisor/order"
)

// stopStep takes the stack down a step further: workloads without a dependent that still has pods lose theirs, side by
// side. It reports the end, when no pod is left.
func (s *Supervisor) stopStep() (ended bool) {
	w := s.world
	if len(w.pods) == 0 {
		return true
	}
	now := time.Now()
	facts := map[string]order.Facts{}
	for name := range w.byWorkload() {
		facts[name] = order.Facts{Pods: len(w.podsOf(name))}
	}
	var may map[string]bool
	if w.stack != nil {
		may = order.MayStop(w.stack, facts)
	}
	for _, p := range sorted(w.pods) {
		name := p.Labels[workloadLabel]
		if w.stack == nil || w.stack.Workload(name) == nil || may[name] {
			s.deletePod(p.Name, "the stack is being stopped", now)
		}
	}
	return false
}

// byWorkload are the workloads that have pods.
func (w *world) byWorkload() map[string]int {
	out := map[string]int{}
	for _, p := range w.pods {
		out[p.Labels[workloadLabel]]++
	}
	return out
}
