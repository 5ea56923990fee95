package supervisor

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
)

// SwitchStep is one line of a plan: what happens to one workload, and why.
type SwitchStep struct {
	// Do is "keep", "start", "change", "scale", "roll", "replace", "move" or "stop".
	Do   string `json:"do"`
	Kind string `json:"kind"`
	Name string `json:"name"`
	Why  string `json:"why,omitempty"`
	// After are the workloads that have to be right (or gone) first.
	After []string `json:"after,omitempty"`
}

func (t SwitchStep) String() string {
	text := fmt.Sprintf("%-7s %s/%s", t.Do, t.Kind, t.Name)
	if t.Why != "" {
		text += ": " + t.Why
	}
	if len(t.After) > 0 {
		text += " (after " + strings.Join(t.After, ", ") + ")"
	}
	return text
}

// SwitchPlan is what a change of profiles does, in the order in which it does it.
type SwitchPlan struct {
	From  string       `json:"from"`
	To    string       `json:"to"`
	Steps []SwitchStep `json:"steps"`
}

// Empty says that nothing is to be done.
func (p SwitchPlan) Empty() bool {
	return !slices.ContainsFunc(p.Steps, func(t SwitchStep) bool { return t.Do != "keep" })
}

// PlanSwitch says what happens to what runs when stack to takes the place of stack from: what stays, what starts and changes
// in start order, and what goes, dependents first. masters are the pods that hold a master's role now. It is pure.
func PlanSwitch(from, to *services.Stack, masters []*corev1.Pod) SwitchPlan {
	p := SwitchPlan{From: from.Profile, To: to.Profile}
	p.moves(to, masters)
	for _, w := range inStartOrder(to) {
		p.plan(from.Workload(w.Name()), w, to)
	}
	leaving := inStartOrder(from)
	slices.Reverse(leaving)
	for _, w := range leaving {
		if to.Workload(w.Name()) == nil {
			p.add("stop", w, "not in "+profileText(to)+keptText(w), []string{"everything that stays is ready"})
		}
	}
	return p
}

func (p *SwitchPlan) add(do string, w *services.Workload, why string, after []string) {
	p.Steps = append(p.Steps, SwitchStep{Do: do, Kind: w.Kind(), Name: w.Name(), Why: why, After: after})
}

// moves are the roles that go to other pods before anything else happens.
func (p *SwitchPlan) moves(to *services.Stack, masters []*corev1.Pod) {
	stays := staysIn(to, masters)
	for _, m := range masters {
		if !stays(m.Name) {
			p.Steps = append(p.Steps, SwitchStep{
				Do: "move", Kind: "Pod", Name: m.Name, Why: "it is the master and leaves: another pod, which stays, becomes the master first",
			})
		}
	}
}

// plan decides about a workload of the new stack; old is nil when it was not in the former one.
func (p *SwitchPlan) plan(old, w *services.Workload, to *services.Stack) {
	var after []string
	for _, d := range w.DependsOn {
		if to.Workload(d.Workload) != nil {
			after = append(after, d.Workload)
		}
	}
	switch {
	case old == nil:
		p.add("start", w, "only in "+profileText(to), after)
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
	a, b := podOf(old), podOf(w)
	template := !equality.Semantic.DeepEqual(a, b)
	if _, bare := w.Object.(*corev1.Pod); bare {
		switch {
		case !template:
			return "keep", ""
		case onlyContainersDiffer(b, a):
			return "change", inPlaceChanges(b, a) + ", the others go on"
		}
		return "replace", differenceOf(a, b)
	}
	var whys []string
	do = "keep"
	if old.Replicas() != w.Replicas() {
		do, whys = "scale", append(whys, fmt.Sprintf("%d -> %d", old.Replicas(), w.Replicas()))
	}
	if template {
		do, whys = "roll", append(whys, differenceOf(a, b))
	}
	return do, strings.Join(whys, "; ")
}

// podOf is a workload's pod, or the pod of its template, as the stack would have it.
func podOf(w *services.Workload) *corev1.Pod {
	p := &corev1.Pod{Spec: *w.PodSpec().DeepCopy()}
	m := w.PodMeta()
	p.Labels, p.Annotations = m.Labels, m.Annotations
	labels, annotations := metaOf(p)
	p.Labels, p.Annotations = nil, nil
	if len(labels) > 0 {
		p.Labels = labels
	}
	if len(annotations) > 0 {
		p.Annotations = annotations
	}
	return p
}

// differenceOf says in which parts two pods differ. Values are not told: they may be secret.
func differenceOf(a, b *corev1.Pod) string {
	var out []string
	if text := inPlaceChanges(b, a); text != "its labels or annotations changed" {
		out = append(out, text)
	}
	for _, c := range b.Spec.Containers {
		i := slices.IndexFunc(a.Spec.Containers, func(o corev1.Container) bool { return o.Name == c.Name })
		if i < 0 {
			continue
		}
		if names := envDifference(a.Spec.Containers[i].Env, c.Env); len(names) > 0 {
			out = append(out, "env "+strings.Join(names, ", ")+" of "+c.Name)
		}
	}
	if len(out) == 0 {
		out = append(out, "its pod template differs")
	}
	return strings.Join(out, ", ")
}

// envDifference are the names of variables that are not the same in both lists.
func envDifference(a, b []corev1.EnvVar) []string {
	var out []string
	for _, v := range b {
		i := slices.IndexFunc(a, func(o corev1.EnvVar) bool { return o.Name == v.Name })
		if i < 0 || !equality.Semantic.DeepEqual(a[i], v) {
			out = append(out, v.Name)
		}
	}
	for _, v := range a {
		if !slices.ContainsFunc(b, func(o corev1.EnvVar) bool { return o.Name == v.Name }) {
			out = append(out, v.Name)
		}
	}
	return out
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

func profileText(s *services.Stack) string {
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

// staysIn says of a pod whether it goes on to exist under a stack. pods are those that there are.
func staysIn(to *services.Stack, pods []*corev1.Pod) func(pod string) bool {
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
