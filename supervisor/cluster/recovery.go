package cluster

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/cluster/view"
	"github.com/lyandev/lyandev/supervisor/order"
	"github.com/lyandev/lyandev/supervisor/pod"
)

// Recovery is the start order of pods whose containers all ended with the engine or with the machine: each waits for what
// its workload depends on, as at the first start. Containers that end by themselves do not wait, as in a cluster.
type Recovery struct {
	pods map[types.UID]*recovering
	// order are the workloads of which such pods must wait for another workload.
	order map[string]order.Wait
}

// recovering is a pod that has not been started again yet.
type recovering struct {
	// ran are the containers that ended; one that is not among them says that the pod has been started again.
	ran map[string]bool
	// waits is why it may not be started yet; released says that it may.
	waits    string
	released bool
	// plain: it is a plain service's pod, whose container is started again and not made anew.
	plain bool
}

// waitsForOrder is what a recovering pod waits for until the start order has been looked at.
const waitsForOrder = "waits for its turn in the start order"

// EndedWithEngine finds, by what the engine has, the pods of which nothing runs any more among those that should run, and
// has them wait for their turn.
func (c *Cluster) EndedWithEngine(observed []*corev1.Pod) []*corev1.Pod {
	seen := map[types.UID]*corev1.Pod{}
	for _, p := range observed {
		seen[p.UID] = p
	}
	var out []*corev1.Pod
	for _, p := range c.Pods() {
		now := seen[p.UID]
		if _, plain := p.Annotations[compose.Annotation]; plain {
			continue // Docker restarts it, if its restart policy says so
		}
		if p.DeletionTimestamp != nil || pod.Final(p.Status.Phase) || now != nil && view.Runs(now) {
			continue
		}
		r := &recovering{ran: map[string]bool{}, waits: waitsForOrder}
		for _, q := range []*corev1.Pod{p, now} {
			view.EachStatus(q, func(s *corev1.ContainerStatus) { r.ran[s.ContainerID] = true })
		}
		c.Recovery.add(p.UID, r)
		out = append(out, p)
	}
	return out
}

// HoldPlain has a plain service's pod, whose container has ended and is to be started again, wait for its turn. It returns why.
func (r *Recovery) HoldPlain(uid types.UID) string {
	r.add(uid, &recovering{waits: waitsForOrder, plain: true})
	return waitsForOrder
}

func (r *Recovery) add(uid types.UID, p *recovering) {
	if r.pods == nil {
		r.pods = map[types.UID]*recovering{}
	}
	r.pods[uid] = p
}

// Hold is why a pod may not be started, "" if it may.
func (r *Recovery) Hold(uid types.UID) string {
	if p := r.pods[uid]; p != nil && !p.released {
		return p.waits
	}
	return ""
}

// HoldNew has a pod that a controller makes while others recover wait like them. It returns why, "" if it need not.
func (r *Recovery) HoldNew(p *corev1.Pod) string {
	wait, held := r.order[p.Labels[services.WorkloadLabel]]
	if len(r.pods) == 0 || !held {
		return ""
	}
	r.add(p.UID, &recovering{ran: map[string]bool{}, waits: wait.Reason})
	return wait.Reason
}

// recovers says that one of the pods has not been started again yet.
func (c *Cluster) recovers(pods []*corev1.Pod) bool {
	return len(c.Recovery.pods) > 0 && slices.ContainsFunc(pods, func(p *corev1.Pod) bool { return c.Recovery.pods[p.UID] != nil })
}

// orderRecovery computes which workloads wait for which before their pods may be started again. Workloads of one operator
// do not wait for each other: a master may have moved to a workload that was the last to start at first, and the operator
// cannot make the others right without it.
func (c *Cluster) orderRecovery(facts map[string]order.Facts) {
	c.Recovery.order = nil
	if len(c.Recovery.pods) == 0 {
		return
	}
	stack := *c.stack
	stack.Workloads = nil
	for _, x := range c.stack.Workloads {
		x := *x
		x.DependsOn = slices.DeleteFunc(slices.Clone(x.DependsOn), func(d services.Dependency) bool {
			other := c.stack.Workload(d.Workload)
			return other != nil && x.Operator != "" && other.Operator == x.Operator
		})
		stack.Workloads = append(stack.Workloads, &x)
	}
	c.Recovery.order = order.Waits(&stack, facts)
}

// forgetRecovered forgets the pods that have been started again, or will not be.
func (c *Cluster) forgetRecovered() {
	maps.DeleteFunc(c.Recovery.pods, func(uid types.UID, r *recovering) bool {
		p := c.Pod(uid)
		return p == nil || p.DeletionTimestamp != nil || pod.Final(p.Status.Phase) && (r.released || !r.plain) || r.startedAgain(p)
	})
}

// startedAgain says that a container of the pod has been made since.
func (r *recovering) startedAgain(p *corev1.Pod) bool {
	if r.plain {
		return view.Runs(p)
	}
	found := false
	view.EachStatus(p, func(s *corev1.ContainerStatus) { found = found || s.ContainerID != "" && !r.ran[s.ContainerID] })
	return found
}

// ChangedHolds lists the recovering pods whose hold is another one than at the last call: they wait for something else, or
// for nothing.
func (c *Cluster) ChangedHolds() []*corev1.Pod {
	var changed []*corev1.Pod
	if len(c.Recovery.pods) == 0 {
		return nil
	}
	for _, p := range c.Pods() {
		r := c.Recovery.pods[p.UID]
		if r == nil || r.released {
			continue
		}
		wait, held := c.Recovery.order[p.Labels[services.WorkloadLabel]]
		if held && r.waits == wait.Reason {
			continue
		}
		r.released, r.waits = !held, wait.Reason
		changed = append(changed, p)
	}
	return changed
}
