// Package switchplan computes what a profile switch does to what runs: which workloads stay, start, change and stop, in order. It is pure.
package switchplan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/order"
	"github.com/lyandev/lyandev/supervisor/podchange"
)

// Step is one line of a plan: what happens to one workload, and why.
type Step struct {
	// Do is "keep", "start", "change", "scale", "roll", "replace", "move" or "stop".
	Do   string `json:"do"`
	Kind string `json:"kind"`
	Name string `json:"name"`
	Why  string `json:"why,omitempty"`
	// After are the workloads that have to be right (or gone) first.
	After []string `json:"after,omitempty"`
}

func (t Step) String() string {
	text := fmt.Sprintf("%-7s %s/%s", t.Do, t.Kind, t.Name)
	if t.Why != "" {
		text += ": " + t.Why
	}
	if len(t.After) > 0 {
		text += " (after " + strings.Join(t.After, ", ") + ")"
	}
	return text
}

// Plan is what a change of profiles does, in the order in which it does it.
type Plan struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Steps []Step `json:"steps"`
}

// Empty says that nothing is to be done.
func (p Plan) Empty() bool {
	return !slices.ContainsFunc(p.Steps, func(t Step) bool { return t.Do != "keep" })
}

// New says what happens to what runs when stack to takes the place of stack from: what stays, what starts and changes
// in start order, and what goes, dependents first. masters are the pods that hold a master's role now. It is pure.
func New(from, to *services.Stack, masters []*corev1.Pod) Plan {
	p := Plan{From: from.Profile, To: to.Profile}
	p.moves(to, masters)
	for _, w := range inStartOrder(to) {
		p.plan(from.Workload(w.Name()), w, to)
	}
	leaving := inStartOrder(from)
	slices.Reverse(leaving)
	for _, w := range leaving {
		if to.Workload(w.Name()) == nil {
			p.add("stop", w, "not in "+ProfileText(to)+keptText(w), []string{"everything that stays is ready"})
		}
	}
	return p
}

func (p *Plan) add(do string, w *services.Workload, why string, after []string) {
	p.Steps = append(p.Steps, Step{Do: do, Kind: w.Kind(), Name: w.Name(), Why: why, After: after})
}

// moves are the roles that go to other pods before anything else happens.
func (p *Plan) moves(to *services.Stack, masters []*corev1.Pod) {
	stays := Stays(to, masters)
	for _, m := range masters {
		if !stays(m.Name) {
			p.Steps = append(p.Steps, Step{
				Do: "move", Kind: "Pod", Name: m.Name, Why: "it is the master and leaves: another pod, which stays, becomes the master first",
			})
		}
	}
}

// plan decides about a workload of the new stack; old is nil when it was not in the former one.
func (p *Plan) plan(old, w *services.Workload, to *services.Stack) {
	var after []string
	for _, d := range w.DependsOn {
		if to.Workload(d.Workload) != nil {
			after = append(after, d.Workload)
		}
	}
	switch {
	case old == nil:
		p.add("start", w, "only in "+ProfileText(to), after)
	case old.Kind() != w.Kind():
		p.add("replace", w, "it was a "+old.Kind(), after)
	default:
		do, why := change(old, w)
		if do == "keep" {
			after = nil
		}
		p.add(do, w, why, after)
	}
}

// change is what happens to the pods of a workload that both stacks have.
func change(old, w *services.Workload) (do, why string) {
	a, b := podchange.Of(old), podchange.Of(w)
	template := !equality.Semantic.DeepEqual(a, b)
	if _, bare := w.Object.(*corev1.Pod); bare {
		switch {
		case !template:
			return "keep", ""
		case podchange.InPlace(b, a):
			return "change", podchange.Describe(b, a) + ", the others go on"
		}
		return "replace", podchange.Difference(a, b)
	}
	var whys []string
	do = "keep"
	if old.Replicas() != w.Replicas() {
		do, whys = "scale", append(whys, fmt.Sprintf("%d -> %d", old.Replicas(), w.Replicas()))
	}
	if template {
		do, whys = "roll", append(whys, podchange.Difference(a, b))
	}
	return do, strings.Join(whys, "; ")
}

// inStartOrder are the workloads of a stack by layers. A cycle, which is refused elsewhere, gives the file's order.
func inStartOrder(s *services.Stack) []*services.Workload {
	layers, err := order.Layers(s)
	if err != nil {
		return slices.Clone(s.Workloads)
	}
	var out []*services.Workload
	for _, names := range layers {
		for _, n := range names {
			out = append(out, s.Workload(n))
		}
	}
	return out
}

func ProfileText(s *services.Stack) string {
	if s.Profile == "" {
		return "the stack without a profile"
	}
	return "profile " + s.Profile
}

// keptText says that claims outlive the workload.
func keptText(w *services.Workload) string {
	if len(claimsOf(w)) == 0 {
		return ""
	}
	return "; its volume is kept"
}

// claimsOf are the claims that a workload's pods mount, templates of claims included.
func claimsOf(w *services.Workload) []string {
	var out []string
	for _, v := range w.PodSpec().Volumes {
		if v.PersistentVolumeClaim != nil {
			out = append(out, v.PersistentVolumeClaim.ClaimName)
		}
	}
	if s, ok := w.Object.(*appsv1.StatefulSet); ok {
		for _, t := range s.Spec.VolumeClaimTemplates {
			for n := range w.Replicas() {
				out = append(out, fmt.Sprintf("%s-%s-%d", t.Name, w.Name(), n))
			}
		}
	}
	return out
}

// Stays says of a pod whether it goes on to exist under a stack. pods are those that there are.
func Stays(to *services.Stack, pods []*corev1.Pod) func(pod string) bool {
	stays := map[string]bool{}
	for _, p := range pods {
		w := to.Workload(p.Labels[services.WorkloadLabel])
		if w == nil || p.DeletionTimestamp != nil {
			continue
		}
		stays[p.Name] = true
		if w.Kind() == "StatefulSet" {
			n, err := strconv.Atoi(strings.TrimPrefix(p.Name, w.Name()+"-"))
			stays[p.Name] = err != nil || int32(n) < w.Replicas()
		}
	}
	return func(pod string) bool { return stays[pod] }
}
