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

// Facts is the input of every function of this package.
type Facts struct {
	Snapshot *state.Status
	// Events is the whole event log, oldest first.
	Events []state.Event
	// Probes holds the latest probe answers by pod name, the oldest of each probe first; nil if not known.
	Probes map[string][]probe.Answer
	// LastLines returns the last lines of the log of a container's last run that ended; nil if logs cannot be read.
	LastLines func(pod, container string) []string
	// Logs are the last lines of the logs of Suspects, the oldest of each container first; nil if not known.
	Logs []LogLine
	// Deaf says of published ports that nothing listens behind them, a sentence each.
	Deaf []string
	// Now is the time of the answer. Its location is the time zone of the text.
	Now time.Time
}

// events returns the events of an object, the most recent occurrence last.
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

// ago formats the time between t and now.
func (f Facts) ago(t time.Time) string { return ui.Age(t, f.Now) }

func (f Facts) clock(t time.Time) string { return t.In(f.Now.Location()).Format(time.TimeOnly) }

func (f Facts) date(t time.Time) string {
	if t.IsZero() {
		return "<unknown>"
	}
	return t.In(f.Now.Location()).Format(time.RFC1123Z)
}

// names returns the valid arguments of why and describe: workloads, then pods.
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

// UnknownError reports that no workload or pod has the given name.
type UnknownError struct {
	// Verb is the attempted action, Known the existing names.
	Verb, Name string
	Known      []string
}

func (e *UnknownError) Error() string {
	if len(e.Known) == 0 {
		return fmt.Sprintf("cannot %s %s: nothing is running", e.Verb, e.Name)
	}
	return fmt.Sprintf("cannot %s %s: no service or pod has that name; known names: %s", e.Verb, e.Name, strings.Join(e.Known, ", "))
}

// answer returns the last answer of a probe that was not a plain success. It comes from the event log or, for the early
// tries of fast timing, which emit no events, from the probe's own history.
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

// tries returns the recorded tries of one probe, oldest first.
func (f Facts) tries(pod, container string, typ probe.Type) []probe.Answer {
	var out []probe.Answer
	for _, a := range f.Probes[pod] {
		if a.Container == container && a.Type == typ {
			out = append(out, a)
		}
	}
	return out
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
