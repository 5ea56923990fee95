package cluster

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/cluster/view"
	"github.com/lyandev/lyandev/supervisor/order"
	"github.com/lyandev/lyandev/supervisor/state"
)

// Release gives wanted workloads to their controllers as their dependencies are satisfied, records who waits for what, and
// takes workloads that left the stack away once everything that stays is right. It reports whether anything changed.
func (c *Cluster) Release(now time.Time) (changed bool, err error) {
	if c.stack == nil {
		return false, nil
	}
	c.forgetRecovered()
	facts := c.allFacts()
	c.endFactRestarts(facts)
	waits := order.Waits(c.stack, facts)
	c.orderRecovery(facts)
	for _, x := range c.stack.Workloads {
		wait, held := waits[x.Name()]
		did, err := c.releaseOne(x, wait, held, now)
		changed = changed || did
		if err != nil {
			return changed, err
		}
	}
	dismissed, err := c.dismiss(facts, now)
	return changed || dismissed, err
}

// Wait is the first unsatisfied dependency of a wanted workload, also of one that runs or is suspended; waits is false if all are
// satisfied.
func (c *Cluster) Wait(name string) (wait order.Wait, waits bool) {
	if c.stack == nil {
		return order.Wait{}, false
	}
	wait, waits = order.Waits(c.stack, c.allFacts())[name]
	return wait, waits
}

// releaseOne gives a wanted workload to its controller, or holds it while it is suspended or waits for another one (held).
func (c *Cluster) releaseOne(x *services.Workload, wait order.Wait, held bool, now time.Time) (changed bool, err error) {
	name := x.Name()
	if why, suspended := c.Suspensions.why(name); suspended {
		kind := "snapshot"
		if _, byHand := c.Suspensions.byHand[name]; byHand {
			kind = "stopped"
		}
		c.hold(name, state.Hold{Kind: kind, For: name, Reason: why}, now)
		if c.released[name] == nil {
			return false, nil
		}
		return true, c.withdraw(name)
	}
	if held && !c.onlyRestartsForFact(x) && !(c.Unstarted && x.Plain()) {
		c.hold(name, state.Hold{Kind: "dependency", For: wait.For, Reason: wait.Reason, Never: wait.Never}, now)
		return false, nil
	}
	delete(c.holds, name)
	if c.rerunning[name] && len(c.PodsOf(name)) > 0 {
		return false, nil // it begins anew when the pods that it had are gone
	}
	delete(c.rerunning, name)
	if c.current(x) {
		return false, nil
	}
	if r := c.released[name]; r != nil && (x.Kind() == "Job" || r.from.Kind() != x.Kind()) {
		return true, c.rerun(name)
	}
	return true, c.release(x)
}

// current says that a wanted workload is the one that its controller has.
func (c *Cluster) current(x *services.Workload) bool {
	r := c.released[x.Name()]
	if r == nil {
		return false
	}
	if r.from != x && sameObject(r.from, x) {
		r.from = x // only what controllers do not look at differs
	}
	return r.from == x
}

// sameObject says that two versions of a wanted workload are the same to a controller.
func sameObject(a, b *services.Workload) bool { return equality.Semantic.DeepEqual(a.Object, b.Object) }

// release gives a workload to its controller.
func (c *Cluster) release(x *services.Workload) error {
	r := &release{from: x}
	c.released[x.Name()] = r
	if p, bare := x.Object.(*corev1.Pod); bare {
		r.object = p
		return nil
	}
	o, ok := x.DeepCopy().Object.(Object)
	if !ok {
		return fmt.Errorf("cannot release %s: %T is no object", x.Name(), x.Object)
	}
	if old, there := c.Get(KeyOf(o)); there {
		carryStatus(old, o)
	}
	if _, err := c.Apply(o, FileManager); err != nil {
		return fmt.Errorf("cannot release %s: %w", x.Name(), err)
	}
	return nil
}

// rerun takes a workload away, so that it is made anew when its pods are gone: a Job's pods cannot change, and a Job that has ended
// does not run again; the pods of another kind of the same name may have the same volumes, which two must never use at a time.
func (c *Cluster) rerun(name string) error {
	if c.rerunning == nil {
		c.rerunning = map[string]bool{}
	}
	c.rerunning[name] = true
	return c.withdraw(name)
}

// withdraw takes a workload away from its controller.
func (c *Cluster) withdraw(name string) error {
	r := c.released[name]
	delete(c.released, name)
	o, ok := r.from.Object.(Object)
	if !ok || r.object != nil {
		return nil
	}
	if err := c.Delete(KeyOf(o), Preconditions{}); err != nil {
		return fmt.Errorf("cannot withdraw %s: %w", name, err)
	}
	return nil
}

// controllersAnnotations are the prefixes of annotations that controllers write onto workloads.
const controllersAnnotations = "deployment.kubernetes.io/"

// carryStatus gives a new version of a workload what its controller wrote onto the old one.
func carryStatus(old, next Object) {
	for k, v := range old.GetAnnotations() {
		if strings.HasPrefix(k, controllersAnnotations) {
			a := maps.Clone(next.GetAnnotations())
			if a == nil {
				a = map[string]string{}
			}
			a[k] = v
			next.SetAnnotations(a)
		}
	}
	switch o := next.(type) {
	case *appsv1.Deployment:
		o.Status = old.(*appsv1.Deployment).Status
	case *appsv1.StatefulSet:
		o.Status = old.(*appsv1.StatefulSet).Status
	case *appsv1.DaemonSet:
		o.Status = old.(*appsv1.DaemonSet).Status
	case *appsv1.ReplicaSet:
		o.Status = old.(*appsv1.ReplicaSet).Status
	case *batchv1.Job:
		o.Status = old.(*batchv1.Job).Status
	case *batchv1.CronJob:
		o.Status = old.(*batchv1.CronJob).Status
	case *services.ComposeService:
		o.Status = old.(*services.ComposeService).Status
	}
}

// Released is a workload as its controller has it, with its status; nil if it has none.
func (c *Cluster) Released(name string) *services.Workload {
	r := c.released[name]
	if r == nil {
		return nil
	}
	x := *r.from
	if r.object == nil {
		if o, there := c.Get(KeyOf(r.from.Object.(Object))); there {
			x.Object = o
		}
	}
	return &x
}

// AllReleased are the workloads that controllers have, in name order, so that looks are reproducible.
func (c *Cluster) AllReleased() []*services.Workload {
	out := make([]*services.Workload, 0, len(c.released))
	for _, name := range slices.Sorted(maps.Keys(c.released)) {
		out = append(out, c.Released(name))
	}
	return out
}

// Listed are the workloads to tell people of: those of the stack in its order (as released, else as wanted), then those
// that are leaving.
func (c *Cluster) Listed() []*services.Workload {
	var out []*services.Workload
	if c.stack != nil {
		for _, x := range c.stack.Workloads {
			if r := c.Released(x.Name()); r != nil {
				x = r
			}
			out = append(out, x)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.released)) {
		if c.stack == nil || c.stack.Workload(name) == nil {
			out = append(out, c.Released(name))
		}
	}
	return out
}

// hold records a wait; its begin is kept while it waits for the same thing.
func (c *Cluster) hold(name string, h state.Hold, now time.Time) {
	h.Since = now
	if old, ok := c.holds[name]; ok && old.Kind == h.Kind && old.For == h.For {
		h.Since = old.Since
	}
	c.holds[name] = h
}

// holdOf is what a workload waits for: a dependency, a snapshot, or its bootstrap.
func (c *Cluster) holdOf(name string) (state.Hold, bool) {
	if h, ok := c.holds[name]; ok {
		return h, true
	}
	h, ok := c.Bootstraps.holds[name]
	return h, ok
}

// dismiss takes away workloads that are not in the stack any more, dependents first, once all that stay are right: what
// leaves may still be needed until then.
func (c *Cluster) dismiss(facts map[string]order.Facts, now time.Time) (changed bool, err error) {
	var leaving []string
	for name := range c.released {
		if c.stack.Workload(name) == nil {
			leaving = append(leaving, name)
		}
	}
	slices.Sort(leaving)
	if len(leaving) == 0 {
		if c.former != nil {
			c.former = nil
			return false, c.storeConfig()
		}
		return false, nil
	}
	for _, x := range c.stack.Workloads {
		if f := facts[x.Name()]; !f.Right && !f.Done {
			return false, nil
		}
	}
	if c.handoverBlocks(leaving, now) {
		return false, nil
	}
	may := c.mayLeave(leaving)
	for _, name := range leaving {
		if may[name] {
			changed = true
			if err := c.withdraw(name); err != nil {
				return changed, err
			}
		}
	}
	return changed, nil
}

// mayLeave says which of the workloads that leave may go now: those without a dependent that leaves too and still has pods.
// One may have left the stack earlier than the former one did.
func (c *Cluster) mayLeave(leaving []string) map[string]bool {
	gone := new(services.Stack)
	if c.former != nil {
		for _, x := range c.former.Workloads {
			if c.stack.Workload(x.Name()) == nil {
				gone.Workloads = append(gone.Workloads, x)
			}
		}
	}
	for _, name := range leaving {
		if gone.Workload(name) == nil {
			gone.Workloads = append(gone.Workloads, c.released[name].from)
		}
	}
	pods := map[string]order.Facts{}
	for _, x := range gone.Workloads {
		pods[x.Name()] = order.Facts{Pods: len(c.PodsOf(x.Name()))}
	}
	return order.MayStop(gone, pods)
}

// allFacts are the facts of every workload of the wanted stack, for the start order.
func (c *Cluster) allFacts() map[string]order.Facts {
	out := make(map[string]order.Facts, len(c.stack.Workloads))
	for _, x := range c.stack.Workloads {
		out[x.Name()] = c.factsOf(x)
	}
	return out
}

func (c *Cluster) factsOf(x *services.Workload) order.Facts {
	pods := c.PodsOf(x.Name())
	f := order.Facts{Pods: len(pods)}
	if c.current(x) {
		f = view.Facts(c.Released(x.Name()), pods)
		if c.recovers(pods) { // their statuses predate the restart of the engine
			f.Right, f.Started = false, false
		}
	}
	if h, ok := c.holdOf(x.Name()); ok {
		f.Waiting = h.Reason
	}
	return f
}
