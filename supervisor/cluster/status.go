package cluster

import (
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/cluster/view"
	"github.com/lyandev/lyandev/supervisor/controller"
	"github.com/lyandev/lyandev/supervisor/state"
)

// Workloads says how each workload stands, in the order of Listed, and what people should know of their rollouts.
func (c *Cluster) Workloads() (list []state.Workload, warnings []string) {
	list = []state.Workload{}
	for _, x := range c.Listed() {
		wanted := c.wanted(x.Name())
		n := view.Count(x, c.PodsOf(x.Name()))
		w := state.Workload{
			Name: x.Name(), Service: service(x), Kind: x.Kind(), Want: n.Want, Have: n.Have, Ready: n.Ready, Updated: n.Updated,
			Right:    wanted != nil && c.factsOf(wanted).Right,
			Revision: c.wantedRevision(x.Name()), Leaving: wanted == nil,
			Failed: n.Failed, Source: x.Source,
		}
		if h, ok := c.holdOf(x.Name()); ok {
			w.Hold = &h
		}
		w.Runs = c.runs(x)
		list = append(list, w)
		warnings = append(warnings, view.RolloutWarnings(x)...)
	}
	return list, warnings
}

// service is the name of a plain service as its file has it, "" if it is the workload's.
func service(x *services.Workload) string {
	if name := x.DisplayName(); name != x.Name() {
		return name
	}
	return ""
}

// wanted is a workload of the wanted stack, nil if there is none.
func (c *Cluster) wanted(name string) *services.Workload {
	if c.stack == nil {
		return nil
	}
	return c.stack.Workload(name)
}

// FirstTrouble is the first reason that the wanted stack is not right, "" if it is. list are its workloads (Workloads).
func (c *Cluster) FirstTrouble(list []state.Workload) string {
	for _, w := range list {
		if w.Right {
			continue
		}
		if w.Hold != nil {
			return w.Name + " " + w.Hold.Reason
		}
		if x := c.wanted(w.Name); x != nil {
			if f := c.factsOf(x); f.Waiting != "" {
				return w.Name + " " + f.Waiting
			}
		}
		return fmt.Sprintf("%s has %d of %d pods ready", w.Name, w.Ready, w.Want)
	}
	for _, name := range slices.Sorted(maps.Keys(c.verdicts)) {
		if v := c.verdicts[name]; !v.Right {
			return name + ": " + v.Message
		}
	}
	return ""
}

// WasReady says that everything has been right since the last Want.
func (c *Cluster) WasReady() bool { return c.wasReady }

// SetReady records that everything is right.
func (c *Cluster) SetReady() { c.wasReady = true }

// steadyFor is how long containers must have been running: one without a readiness probe counts as ready until it crashes.
const steadyFor = 1500 * time.Millisecond

// Progress says whether the stack of a profile is the wanted one, everything of it is right and nothing else is left; if
// not, what it waits for, and why it will never get there by itself ("" if it may).
func (c *Cluster) Progress(profile string, now time.Time) (done bool, waiting, never string) {
	if c.stack == nil || c.stack.Profile != profile {
		return false, "it is not the wanted one yet", ""
	}
	facts := c.allFacts()
	for _, x := range c.stack.Workloads {
		f := facts[x.Name()]
		if f.Right || f.Done {
			continue
		}
		waiting, never = x.Name()+" is not ready yet", f.Failed
		if f.Waiting != "" {
			waiting = x.Name() + " " + f.Waiting
		}
		for _, p := range c.PodsOf(x.Name()) {
			if why := view.Never(p); why != "" && never == "" && !c.outdated(p) {
				never = why
			}
		}
		return false, waiting, never
	}
	for _, name := range slices.Sorted(maps.Keys(c.verdicts)) {
		if v := c.verdicts[name]; !v.Right && c.hasOperator(name) {
			return false, name + ": " + v.Message, ""
		}
	}
	for _, p := range c.Pods() {
		if name := p.Labels[services.WorkloadLabel]; c.stack.Workload(name) == nil {
			if c.Handover.refusal != "" {
				return false, "before " + name + " leaves: " + c.Handover.refusal, ""
			}
			return false, fmt.Sprintf("pod %s of %s, which leaves, has not ended", p.Name, name), ""
		}
	}
	if p := view.Youngest(c.Pods(), now.Add(-steadyFor)); p != nil {
		return false, "pod " + p.Name + " has only just started", ""
	}
	return true, "", ""
}

// hasOperator says that a workload of the wanted stack names the operator.
func (c *Cluster) hasOperator(operator string) bool {
	return slices.ContainsFunc(c.stack.Workloads, func(x *services.Workload) bool { return x.Operator == operator })
}

// revisions are the pod revisions of a stack's workloads by name. They are computed once a stack, since a hash looks at the
// whole template.
type revisions struct {
	stack  *services.Stack
	byName map[string]string
}

// wantedRevision is the value of the hash label of pods made from the wanted template of a workload; "" if its pods carry no
// such label, or no such workload is wanted.
func (c *Cluster) wantedRevision(name string) string {
	if c.stack == nil {
		return ""
	}
	if c.revisions.stack != c.stack {
		c.revisions = revisions{stack: c.stack, byName: make(map[string]string, len(c.stack.Workloads))}
		for _, x := range c.stack.Workloads {
			o, ok := x.DeepCopy().Object.(Object)
			if !ok {
				continue
			}
			if old, there := c.Get(KeyOf(o)); there {
				carryStatus(old, o) // the number of hash collisions is in the status
			}
			c.revisions.byName[x.Name()] = controller.PodRevision(o)
		}
	}
	return c.revisions.byName[name]
}

// outdated says that a pod of a wanted workload was made from another template than the wanted one.
func (c *Cluster) outdated(p *corev1.Pod) bool {
	return !state.Workload{Revision: c.wantedRevision(p.Labels[services.WorkloadLabel])}.Wanted(p)
}
