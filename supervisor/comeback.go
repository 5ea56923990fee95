package supervisor

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/order"
	"github.com/lyandev/lyandev/supervisor/pod"
)

// comeback is a pod whose containers all ended with the engine, or with the machine, on its way back: it waits for what its
// workload depends on, as at the first start. Containers that end by themselves do not wait, as in a cluster.
type comeback struct {
	// ran are the containers that ended; one that is not among them says that the pod has been started again.
	ran map[string]bool
	// waits is why it may not be started yet, let that it may.
	waits string
	let   bool
}

// itsTurn is what a pod that comes back waits for until the loop has looked at the order.
const itsTurn = "waits for its turn in the start order"

// endedWithEngine finds the pods of which nothing runs any more among those that should run, by what the engine has, and
// notes that they have to come back in order.
func (w *world) endedWithEngine(observed []*corev1.Pod) []*corev1.Pod {
	seen := map[types.UID]*corev1.Pod{}
	for _, p := range observed {
		seen[p.UID] = p
	}
	var out []*corev1.Pod
	for _, p := range sorted(w.pods) {
		now := seen[p.UID]
		if p.DeletionTimestamp != nil || pod.Final(p.Status.Phase) || now != nil && runs(now) {
			continue
		}
		c := &comeback{ran: map[string]bool{}, waits: itsTurn}
		for _, q := range []*corev1.Pod{p, now} {
			eachStatus(q, func(s *corev1.ContainerStatus) { c.ran[s.ContainerID] = true })
		}
		w.comebacks[p.UID] = c
		out = append(out, p)
	}
	return out
}

// runs says that a container of the pod does.
func runs(p *corev1.Pod) bool {
	any := false
	eachStatus(p, func(s *corev1.ContainerStatus) { any = any || s.State.Running != nil })
	return any
}

// eachStatus visits the statuses of all containers of a pod, which may be nil.
func eachStatus(p *corev1.Pod, visit func(*corev1.ContainerStatus)) {
	if p == nil {
		return
	}
	for _, list := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses} {
		for i := range list {
			visit(&list[i])
		}
	}
}

// holdOfPod is why a pod may not be started, "" if it may.
func (w *world) holdOfPod(uid types.UID) string {
	if c := w.comebacks[uid]; c != nil && !c.let {
		return c.waits
	}
	return ""
}

// comesBack says that a pod of the workload has not been started again yet.
func (w *world) comesBack(workload string) bool {
	if len(w.comebacks) == 0 {
		return false
	}
	for _, p := range w.podsOf(workload) {
		if w.comebacks[p.UID] != nil {
			return true
		}
	}
	return false
}

// noteTurns notes which workloads wait for which before their pods may come back. Workloads of one operator do not wait for
// each other: a master may have moved to a workload that was the last to start at first, and the operator cannot make the
// others right without it.
func (w *world) noteTurns(facts map[string]order.Facts) {
	w.turns = nil
	if len(w.comebacks) == 0 {
		return
	}
	stack := *w.stack
	stack.Workloads = nil
	for _, x := range w.stack.Workloads {
		x := *x
		x.DependsOn = slices.DeleteFunc(slices.Clone(x.DependsOn), func(d services.Dependency) bool {
			other := w.stack.Workload(d.Workload)
			return other != nil && x.Operator != "" && other.Operator == x.Operator
		})
		stack.Workloads = append(stack.Workloads, &x)
	}
	w.turns = order.Waits(&stack, facts)
}

// holdNew notes a pod that a controller makes while others come back: it waits like them. It returns why, "" if it need not.
func (w *world) holdNew(p *corev1.Pod) string {
	wait, held := w.turns[p.Labels[services.WorkloadLabel]]
	if len(w.comebacks) == 0 || !held {
		return ""
	}
	w.comebacks[p.UID] = &comeback{ran: map[string]bool{}, waits: wait.Reason}
	return wait.Reason
}

// forgetComebacks forgets the pods that have come back, or will not.
func (w *world) forgetComebacks() {
	if len(w.comebacks) == 0 {
		return
	}
	there := map[types.UID]bool{}
	for _, p := range w.pods {
		c := w.comebacks[p.UID]
		there[p.UID] = c != nil && p.DeletionTimestamp == nil && !pod.Final(p.Status.Phase) && !c.back(p)
	}
	maps.DeleteFunc(w.comebacks, func(uid types.UID, _ *comeback) bool { return !there[uid] })
}

// letBack lists the pods that come back whose hold is another one now: they wait for something else, or for nothing.
func (w *world) letBack() []*corev1.Pod {
	var changed []*corev1.Pod
	for _, p := range sorted(w.pods) {
		c := w.comebacks[p.UID]
		if c == nil {
			continue
		}
		wait, held := w.turns[p.Labels[services.WorkloadLabel]]
		switch {
		case c.let:
		case !held:
			c.let = true
			changed = append(changed, p)
		case c.waits != wait.Reason:
			c.waits = wait.Reason
			changed = append(changed, p)
		}
	}
	return changed
}

// back says that a container of the pod has been made since.
func (c *comeback) back(p *corev1.Pod) bool {
	found := false
	eachStatus(p, func(s *corev1.ContainerStatus) { found = found || s.ContainerID != "" && !c.ran[s.ContainerID] })
	return found
}

// letPodsBack tells the workers of pods that come back what they wait for, or that they may go on. Called by the loop.
func (s *Supervisor) letPodsBack() {
	if s.pods.Held() || s.stop != nil {
		return // all are held, and what is known of them is not of now; or nothing is to come back
	}
	for _, p := range s.world.letBack() {
		s.pods.Hold(p.Name, s.world.holdOfPod(p.UID))
	}
}
