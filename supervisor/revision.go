package supervisor

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/controller"
	"github.com/lyandev/lyandev/supervisor/state"
)

// askedRevisions are the pod revisions of a stack's workloads by name. They are computed once a stack, since a hash looks at
// the whole template.
type askedRevisions struct {
	stack  *services.Stack
	byName map[string]string
}

// wantedRevision is the value of the hash label of pods made from the wanted template of a workload; "" if its pods carry no
// such label, or no such workload is wanted.
func (w *world) wantedRevision(name string) string {
	if w.stack == nil {
		return ""
	}
	if w.asked.stack != w.stack {
		w.asked = askedRevisions{stack: w.stack, byName: make(map[string]string, len(w.stack.Workloads))}
		for _, x := range w.stack.Workloads {
			if old := w.released[x.Name()]; old != nil {
				x = carryStatus(old, x) // the number of hash collisions is in the status
			}
			w.asked.byName[x.Name()] = controller.PodRevision(x.Object)
		}
	}
	return w.asked.byName[name]
}

// outdated says that a pod of a wanted workload was made from another template than the wanted one.
func (w *world) outdated(p *corev1.Pod) bool {
	return !state.Workload{Revision: w.wantedRevision(p.Labels[workloadLabel])}.Wanted(p)
}
