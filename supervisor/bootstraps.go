package supervisor

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/bootstrap"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/state"
)

// bootstrapMemory is the file that says which bootstrap steps have passed.
const bootstrapMemory = "bootstrap.json"

// passedSteps are the bootstrap steps that have passed, as a snapshot of all volumes keeps them.
func (s *Supervisor) passedSteps() map[string]string {
	return bootstrap.OpenFile(s.cfg.Instance.File(bootstrapMemory), instance.WriteFile).All()
}

// RecallSteps says which bootstrap steps had passed when the volumes' content was written, so that those for the first start
// are not done again. It is called before the stack is handed over.
func (s *Supervisor) RecallSteps(passed map[string]string) error {
	f := bootstrap.OpenFile(s.cfg.Instance.File(bootstrapMemory), instance.WriteFile)
	for key, container := range passed {
		if err := f.SetPassed(key, container); err != nil {
			return err
		}
	}
	return nil
}

// bootstrapViews adds the views of workloads with steps to those of the operators.
func (w *world) bootstrapViews(views map[string]services.View) {
	for _, x := range w.inOrder() {
		if len(x.Bootstrap) > 0 {
			views[bootstrap.OperatorName(x.Name())] = services.View{Stack: w.stack, Workloads: []*services.Workload{x}, Pods: w.podsOf(x.Name())}
		}
	}
}

// forgetOperator drops what an operator said that no workload has any more.
func (w *world) forgetOperator(name string) {
	delete(w.verdicts, name)
	if workload, ok := bootstrap.WorkloadOf(name); ok {
		delete(w.bootstraps, workload)
	}
}

// takeBootstrap puts what the steps of a workload say onto its pods, and holds the workload while one is pending. Called
// by the loop.
func (s *Supervisor) takeBootstrap(workload string, seen services.View, v services.Verdict, now time.Time) {
	w := s.world
	if x := w.released[workload]; x == nil || len(x.Bootstrap) == 0 {
		return // it left while the operator looked
	}
	w.verdicts[bootstrap.OperatorName(workload)] = v
	for _, p := range seen.Pods {
		have := w.pods[p.Name]
		if have == nil || have.UID != p.UID {
			continue
		}
		pv := v.Pods[p.Name]
		c := corev1.PodCondition{
			Type: bootstrap.Gate, Status: corev1.ConditionFalse, Reason: pv.Reason, Message: pv.Message, LastTransitionTime: metav1.NewTime(now),
		}
		if pv.Right {
			c.Status = corev1.ConditionTrue
		}
		s.pods.SetCondition(p.Name, c)
	}
	if v.Right {
		delete(w.bootstraps, workload)
		return
	}
	h := state.Hold{Kind: "bootstrap", For: workload, Reason: "waits for its bootstrap: " + v.Message, Since: now}
	if old, ok := w.bootstraps[workload]; ok {
		h.Since = old.Since
	}
	w.bootstraps[workload] = h
}

// holdOf is what a workload waits for: a dependency, or its bootstrap.
func (w *world) holdOf(name string) (state.Hold, bool) {
	if h, ok := w.holds[name]; ok {
		return h, true
	}
	h, ok := w.bootstraps[name]
	return h, ok
}
