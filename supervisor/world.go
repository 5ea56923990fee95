package supervisor

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/controller"
	"github.com/lyandev/lyandev/supervisor/explain"
	"github.com/lyandev/lyandev/supervisor/order"
	"github.com/lyandev/lyandev/supervisor/podchange"
	"github.com/lyandev/lyandev/supervisor/prepare"
	"github.com/lyandev/lyandev/supervisor/state"
)

// world is everything the loop knows: what is wanted, what was released to the controllers, and what is observed. It is
// plain data with pure methods; only the loop's goroutine touches it.
type world struct {
	project string
	// stack is what is wanted, with image IDs filled in; nil before the first Apply.
	stack *services.Stack
	// asked are the pod revisions of stack.
	asked askedRevisions
	// former is the stack before it, until what left it is gone.
	former *services.Stack
	// released are the workloads as the controllers see them, by name: the newest version whose dependencies were
	// satisfied, with its status. A workload that left the stack stays here until it may go.
	released map[string]*services.Workload
	holds    map[string]state.Hold

	replicaSets map[string]*appsv1.ReplicaSet
	jobs        map[string]*batchv1.Job
	revisions   map[string]*appsv1.ControllerRevision
	pods        map[string]*corev1.Pod
	memory      controller.Memory
	names       controller.NameSource

	// bootstraps are the holds of workloads whose steps have not passed.
	bootstraps map[string]state.Hold
	verdicts   map[string]services.Verdict
	facts      map[string]string
	// restarts are the times of restarts by hand, by workload; they stay in the template so that the next Apply keeps them.
	restarts map[string]string
	// advice is what people should know of the stack.
	advice []string
	// wasReady is true once everything was right since the last Apply.
	wasReady bool

	// handover is about pods that are to leave while they may have a role that others need.
	handover handover
	// comebacks are the pods that come back after the engine or the machine was restarted, turns the workloads of which they
	// must wait for another, as release found them last.
	comebacks map[types.UID]*comeback
	turns     map[string]order.Wait
	// factRestarts are the workloads that are being restarted because a fact changed, until they are right again.
	factRestarts map[string]bool
	// suspended are the workloads that must have no pods for now, with the reason.
	suspended map[string]string
}

func newWorld(project string) *world {
	return &world{
		project: project, released: map[string]*services.Workload{}, holds: map[string]state.Hold{},
		replicaSets: map[string]*appsv1.ReplicaSet{}, jobs: map[string]*batchv1.Job{},
		revisions: map[string]*appsv1.ControllerRevision{}, pods: map[string]*corev1.Pod{},
		names: controller.RandomNames(), verdicts: map[string]services.Verdict{}, bootstraps: map[string]state.Hold{}, facts: map[string]string{},
		restarts: map[string]string{}, handover: handover{able: map[string]bool{}}, suspended: map[string]string{},
		comebacks: map[types.UID]*comeback{}, factRestarts: map[string]bool{},
	}
}

// want makes a stack the wanted one. The caller has resolved its images.
func (w *world) want(stack *services.Stack) {
	if w.stack != nil {
		w.former = w.stack
	}
	w.stack, w.advice = stack, explain.Advise(stack)
	w.wasReady = false
	w.handover.reset()
	for _, x := range stack.Workloads {
		if at, ok := w.restarts[x.Name()]; ok {
			prepare.Annotate(x, podchange.RestartedAt, at)
		}
	}
}

// restart marks a workload's template, so that its controller rolls it.
func (w *world) restart(name string, now time.Time) error {
	if w.stack == nil || w.stack.Workload(name) == nil {
		return fmt.Errorf("cannot restart %s: there is no such workload; there are %v", name, w.workloadNames())
	}
	at := now.UTC().Format(time.RFC3339Nano)
	w.restarts[name] = at
	stack := *w.stack // others read the one there is
	stack.Workloads = slices.Clone(stack.Workloads)
	for i, x := range stack.Workloads {
		if x.Name() == name {
			stack.Workloads[i] = x.DeepCopy()
			prepare.Annotate(stack.Workloads[i], podchange.RestartedAt, at)
		}
	}
	w.stack = &stack
	return nil
}

func (w *world) workloadNames() []string {
	if w.stack == nil {
		return nil
	}
	var out []string
	for _, x := range w.stack.Workloads {
		out = append(out, x.Name())
	}
	return out
}

// view is what the controllers see.
func (w *world) view() controller.View {
	v := controller.View{
		ReplicaSets: sorted(w.replicaSets), Jobs: sorted(w.jobs), Revisions: sorted(w.revisions), Pods: sorted(w.pods),
		Names: w.names, Memory: w.memory, Location: time.Local, ReplaceUnready: w.factRestarts,
	}
	for _, x := range w.inOrder() {
		switch o := x.Object.(type) {
		case *appsv1.Deployment:
			v.Deployments = append(v.Deployments, o)
		case *appsv1.StatefulSet:
			v.StatefulSets = append(v.StatefulSets, o)
		case *appsv1.DaemonSet:
			v.DaemonSets = append(v.DaemonSets, o)
		case *appsv1.ReplicaSet:
			v.ReplicaSets = append(v.ReplicaSets, o)
		case *batchv1.Job:
			v.Jobs = append(v.Jobs, o)
		case *batchv1.CronJob:
			v.CronJobs = append(v.CronJobs, o)
		}
	}
	return v
}

// inOrder are the released workloads in name order, so that looks are reproducible.
func (w *world) inOrder() []*services.Workload {
	return sorted(w.released)
}

func sorted[T any](m map[string]T) []T {
	out := make([]T, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[k])
	}
	return out
}

// podsOf are the pods of a workload (by label), in name order.
func (w *world) podsOf(workload string) []*corev1.Pod {
	var out []*corev1.Pod
	for _, p := range w.pods {
		if p.Labels[services.WorkloadLabel] == workload {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b *corev1.Pod) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// release moves wanted workloads to the controllers as their dependencies are satisfied, notes who waits for what, and
// lets workloads that left the stack go once everything that stays is right. It reports whether anything changed.
func (w *world) release(now time.Time) bool {
	if w.stack == nil {
		return false
	}
	w.forgetComebacks()
	facts := w.allFacts()
	w.endFactRestarts(facts)
	waits := order.Waits(w.stack, facts)
	w.noteTurns(facts)
	changed := false
	for _, x := range w.stack.Workloads {
		name := x.Name()
		if h := w.suspendHold(name); h != nil {
			changed = w.holdSuspended(x, *h, now) || changed
			continue
		}
		if wait, held := waits[name]; held && !w.onlyRestartsForFact(x) {
			w.hold(name, state.Hold{Kind: "dependency", For: wait.For, Reason: wait.Reason}, now)
			continue
		}
		delete(w.holds, name)
		if old := w.released[name]; old == nil || !sameWorkload(old, x) {
			w.released[name] = carryStatus(old, x)
			changed = true
		}
	}
	return w.dismiss(facts, now) || changed
}

// hold notes a wait; since is kept while it waits for the same thing.
func (w *world) hold(name string, h state.Hold, now time.Time) {
	h.Since = now
	if old, ok := w.holds[name]; ok && old.Kind == h.Kind && old.For == h.For {
		h.Since = old.Since
	}
	w.holds[name] = h
}

// dismiss takes away workloads that are not in the stack any more, dependents first, once all that stay are right: what
// leaves may still be needed until then.
func (w *world) dismiss(facts map[string]order.Facts, now time.Time) bool {
	var leaving []string
	for name := range w.released {
		if w.stack.Workload(name) == nil {
			leaving = append(leaving, name)
		}
	}
	if len(leaving) == 0 {
		w.former = nil
		return false
	}
	for _, x := range w.stack.Workloads {
		if !facts[x.Name()].Right && !facts[x.Name()].Done {
			return false
		}
	}
	if w.handoverBlocks(leaving, now) {
		return false
	}
	may := map[string]bool{}
	if w.former != nil {
		leavingFacts := map[string]order.Facts{}
		for _, x := range w.former.Workloads {
			if w.stack.Workload(x.Name()) == nil {
				leavingFacts[x.Name()] = order.Facts{Pods: len(w.podsOf(x.Name()))}
			}
		}
		may = order.MayStop(w.former, leavingFacts)
	}
	changed := false
	for _, name := range leaving {
		if may[name] || w.former == nil {
			delete(w.released, name)
			changed = true
		}
	}
	return changed
}
