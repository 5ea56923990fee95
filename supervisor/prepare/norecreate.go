package prepare

import "github.com/lyandev/lyandev/services"

// NoRecreate returns a stack in which the workloads that the running stack, which may be nil, has too are as they run, but for the
// number of their pods. It shares with both what it does not change.
func NoRecreate(running, next *services.Stack) *services.Stack {
	if running == nil {
		return next
	}
	out := *next
	out.Workloads = nil
	for _, x := range next.Workloads {
		if old := running.Workload(x.Name()); old != nil && old.Kind() == x.Kind() {
			n := x.Replicas()
			if x = old; x.Replicas() != n {
				x = old.DeepCopy()
				x.SetReplicas(n)
			}
		}
		out.Workloads = append(out.Workloads, x)
	}
	return &out
}
