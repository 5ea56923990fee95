package supervisor

import (
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/order"
	"github.com/lyandev/lyandev/supervisor/podchange"
	"github.com/lyandev/lyandev/supervisor/prepare"
)

// noteFacts restarts the workloads whose RestartOn names a fact that was known and has another value now. Their pods are rolled
// as by `kubectl rollout restart`, except that pods which are not Ready are all replaced at once. Called by the loop.
func (s *Supervisor) noteFacts(facts map[string]string, now time.Time) {
	for k, v := range facts {
		old, known := s.world.facts[k]
		s.world.facts[k] = v
		if !known || old == v || v == "" {
			continue
		}
		for _, x := range s.world.stack.Workloads {
			for _, on := range x.RestartOn {
				if on == k+"-changed" {
					s.event(x.Kind(), x.Name(), "Normal", "Restarting", "%s changed from %s to %s", k, old, v)
					_ = s.world.restart(x.Name(), now) // it is in the stack: it was just found there
					s.world.factRestarts[x.Name()] = true
				}
			}
		}
	}
}

// endFactRestarts forgets the restarts that are complete, and those of workloads that left the stack.
func (w *world) endFactRestarts(facts map[string]order.Facts) {
	for name := range w.factRestarts {
		if f, ok := facts[name]; !ok || f.Right {
			delete(w.factRestarts, name)
		}
	}
}

// onlyRestartsForFact reports whether a workload differs from the version that runs only by a restart for a changed fact. It does
// not wait for its dependencies then: the fact comes from an operator that has seen the new master serve, and the operator's
// other pods may be away for long.
func (w *world) onlyRestartsForFact(x *services.Workload) bool {
	old := w.released[x.Name()]
	if old == nil || !w.factRestarts[x.Name()] {
		return false
	}
	restarted := old.DeepCopy()
	prepare.Annotate(restarted, podchange.RestartedAt, w.restarts[x.Name()])
	return sameWorkload(restarted, x)
}
