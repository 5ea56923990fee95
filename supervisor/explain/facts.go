package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/probe"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// Facts is what answers are made from.
type Facts struct {
	Snapshot *state.Snapshot
	// Events is the whole log, oldest first.
	Events []state.Event
	// Probes are what the probes of each pod said last, by pod, each probe's oldest first; nil is not known.
	Probes map[string][]probe.Answer
	// Now is the time of the answer; times are written in its location.
	Now time.Time
}

// events are those of an object, in the order in which they happened last.
func (f Facts) events(kind, name string) []state.Event {
	var out []state.Event
	for _, e := range f.Events {
		if e.Kind == kind && e.Name == name {
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b state.Event) int { return cmp.Compare(a.Seq, b.Seq) })
	return out
}

// ago is a span of time before now, for people.
func (f Facts) ago(t time.Time) string { return ui.Age(t, f.Now) }

func (f Facts) clock(t time.Time) string { return t.In(f.Now.Location()).Format(time.TimeOnly) }

func (f Facts) date(t time.Time) string {
	if t.IsZero() {
		return "<unknown>"
	}
	return t.In(f.Now.Location()).Format(time.RFC1123Z)
}

// names are what a person may ask about: workloads, then pods.
func (f Facts) names() []string {
	var out []string
	for _, w := range f.Snapshot.Workloads {
		out = append(out, w.Name)
	}
	for _, p := range f.Snapshot.Pods {
		if !slices.Contains(out, p.Name) {
			out = append(out, p.Name)
		}
	}
	return out
}

// UnknownError says that nothing has the name asked for.
type UnknownError struct {
	// Verb is what was to be done with it; Known are the names that there are.
	Verb, Name string
	Known      []string
}

func (e *UnknownError) Error() string {
	if len(e.Known) == 0 {
		return fmt.Sprintf("cannot %s %s: nothing runs", e.Verb, e.Name)
	}
	return fmt.Sprintf("cannot %s %s: there is no service or pod of that name; there are %s", e.Verb, e.Name, strings.Join(e.Known, ", "))
}

// answer is the last answer of a probe that was not a plain success, as the event log has it or, for the early tries of
// fast timing, which make no events, as the probe remembers it.
func (f Facts) answer(p *corev1.Pod, container string, typ probe.Type) (state.Event, bool) {
	var last state.Event
	list := f.events("Pod", p.Name)
	for _, e := range list {
		if (e.Reason == "Unhealthy" || e.Reason == "ProbeWarning") && strings.HasPrefix(e.Message, string(typ)+" probe ") &&
			(e.Container == container || e.Container == "") && !e.Last.Before(p.CreationTimestamp.Time) {
			last = e
		}
	}
	early := 0
	for _, a := range f.tries(p.Name, container, typ) {
		switch {
		case a.Good():
			early = 0
		case a.Early && a.At.After(last.Last):
			early++
			last = state.Event{Message: fmt.Sprintf("%s probe failed: %s", typ, a.Output), Last: a.At, Count: early}
		}
	}
	return last, last.Count > 0
}

// tries are the last tries of one probe, oldest first.
func (f Facts) tries(pod, container string, typ probe.Type) []probe.Answer {
	var out []probe.Answer
	for _, a := range f.Probes[pod] {
		if a.Container == container && a.Type == typ {
			out = append(out, a)
		}
	}
	return out
}

// times says how often and when an event happened.
func (f Facts) times(e state.Event) string {
	if e.Count > 1 {
		return fmt.Sprintf("%s ago, %d times in %s", f.ago(e.Last), e.Count, ui.Age(e.First, e.Last))
	}
	return f.ago(e.Last) + " ago"
}

func containerSpec(p *corev1.Pod, name string) *corev1.Container {
	for _, list := range [][]corev1.Container{p.Spec.InitContainers, p.Spec.Containers} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	return nil
}

func condition(p *corev1.Pod, t corev1.PodConditionType) corev1.PodCondition {
	for _, c := range p.Status.Conditions {
		if c.Type == t {
			return c
		}
	}
	return corev1.PodCondition{Type: t, Status: corev1.ConditionUnknown}
}

func workloadOf(p *corev1.Pod) string { return p.Labels[services.WorkloadLabel] }
