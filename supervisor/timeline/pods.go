package timeline

import (
	"fmt"
	"slices"
	"time"
)

// PodTimes is what happened to one pod within an action. A time is zero if it did not happen then.
type PodTimes struct {
	Name     string `json:"name"`
	Workload string `json:"workload,omitempty"`
	Operator string `json:"operator,omitempty"`
	// Wanted is when the pod object was made; Released when the last thing was over that it waited for; Started when its last
	// container had been started; Containers when all containers were ready; Ready when its readiness gates were true too.
	Wanted     time.Time `json:"wanted,omitzero"`
	Released   time.Time `json:"released,omitzero"`
	Started    time.Time `json:"started,omitzero"`
	Containers time.Time `json:"containers,omitzero"`
	Ready      time.Time `json:"ready,omitzero"`
	Ended      time.Time `json:"ended,omitzero"`
	Leaving    time.Time `json:"leaving,omitzero"`
	Gone       time.Time `json:"gone,omitzero"`
	// For is what it waited for last: a workload, or a pod of its own workload; "" for nothing. Waited is how long it waited for
	// workloads in all, or for that pod.
	For    string        `json:"for,omitempty"`
	Waited time.Duration `json:"waited,omitempty"`
	// Steps are what the pod spent its time with from Released to Ready (or Ended), without gaps.
	Steps []Step `json:"steps,omitempty"`
	// Tries is the number of tries of startup and readiness probes from Started until the containers were ready, FirstTry the time of
	// the first, and LastFailure what the last failed one said.
	Tries       int       `json:"tries,omitempty"`
	FirstTry    time.Time `json:"firstTry,omitzero"`
	LastFailure string    `json:"lastFailure,omitempty"`

	spans []Span
}

// Step is a part of the time of a pod, or of the critical path.
type Step struct {
	Name   string    `json:"name"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Detail string    `json:"detail,omitempty"`
	// Calls are the engine calls within a step of the critical path, the longest sum first. Calls of a pod may overlap.
	Calls []Calls `json:"calls,omitempty"`
	// Notes are what happened in a phase of a drill, in its order.
	Notes []Note `json:"notes,omitempty"`
}

// Note is something that happened at a moment, in words.
type Note struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// Calls are the engine calls of one method within a step. Took is the sum of what of them lay within the step.
type Calls struct {
	Method string        `json:"method"`
	Count  int           `json:"count"`
	Took   time.Duration `json:"took"`
}

// Took is the length of the step.
func (s Step) Took() time.Duration { return s.To.Sub(s.From) }

// The names of steps besides those of Pod spans.
const (
	// StepQueued: nothing was done for the pod. StepInit: an init container ran. StepAgain: a container ran, ended, and was started
	// again. StepProbe: the containers ran and were not ready.
	// StepOperator: the containers were ready, and the operator did not call the pod right. StepRun: a one-shot ran.
	StepQueued   = "queued"
	StepInit     = "init"
	StepAgain    = "again"
	StepProbe    = "probe"
	StepOperator = "operator"
	StepRun      = "run"
)

// slack is how much later than its cause an effect may be noted: notes of different goroutines come in any order.
const slack = 5 * time.Millisecond

// Pods are the pods to which something happened within an action, in the order in which they were wanted. A pod that was replaced by
// one of the same name comes twice. It is pure.
func Pods(a *Action) []*PodTimes {
	spans := slices.Clone(a.Spans)
	sortSpans(spans)
	var all []*PodTimes
	current := map[string]*PodTimes{}
	take := func(name string, again bool) *PodTimes {
		p := current[name]
		if p == nil || again {
			p = &PodTimes{Name: name}
			current[name], all = p, append(all, p)
		}
		return p
	}
	for _, s := range spans {
		switch s.Kind {
		case Mark:
			if s.Object == "" || s.Start.Before(a.Start) {
				continue
			}
			former := current[s.Object]
			take(s.Object, s.Name == PodWanted && former != nil && former.begun()).mark(s)
		case Pod, Probe:
			p := take(s.Object, false)
			p.spans = append(p.spans, s)
		}
	}
	waits := a.of(Wait)
	for _, p := range all {
		p.settle()
		p.release(a, waits, all)
		p.divide()
	}
	slices.SortStableFunc(all, func(x, y *PodTimes) int { return x.first().Compare(y.first()) })
	return slices.DeleteFunc(all, func(p *PodTimes) bool { return p.first().IsZero() })
}

// begun says that the pod was made or went, so that a pod of its name that is wanted is another one.
func (p *PodTimes) begun() bool { return !p.Wanted.IsZero() || !p.Leaving.IsZero() || !p.Gone.IsZero() }

// mark takes over a mark of the pod. Of marks that repeat the first counts, but for the times of readiness, of which the last does.
func (p *PodTimes) mark(s Span) {
	p.Workload = s.Of
	if s.Detail != "" {
		p.Operator = s.Detail
	}
	for name, at := range map[string]*time.Time{PodWanted: &p.Wanted, PodEnded: &p.Ended, PodLeaving: &p.Leaving, PodGone: &p.Gone} {
		if s.Name == name && at.IsZero() {
			*at = s.Start
		}
	}
	switch s.Name {
	case ContainersReady:
		p.Containers = s.Start
	case PodReady:
		p.Ready = s.Start
	}
}

// settle finds what the steps and the probes say. Only tries after the last start of a container count: those before it were of
// another container, or of one that has ended.
func (p *PodTimes) settle() {
	early := func(s Span) bool { return p.Containers.IsZero() || !s.Start.After(p.Containers) }
	for _, s := range p.spans {
		if s.Kind == Pod && (s.Name == StepStart || s.Name == StepHook) && early(s) {
			p.Started = s.End
		}
	}
	for _, s := range p.spans {
		if s.Kind != Probe || s.Name == "Liveness" || !early(s) || s.Start.Before(p.Started) {
			continue
		}
		if p.Tries++; p.Tries == 1 {
			p.FirstTry = s.Start
		}
		if s.Failed {
			p.LastFailure = s.Detail
		}
	}
}

// first is when something happened to the pod first.
func (p *PodTimes) first() time.Time {
	var first time.Time
	for _, at := range []time.Time{p.Wanted, p.Started, p.Containers, p.Ready, p.Ended, p.Leaving, p.Gone} {
		if !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

// Done is when the pod was ready, or had ended by itself; zero if neither happened.
func (p *PodTimes) Done() time.Time {
	switch {
	case !p.Ready.IsZero():
		return p.Ready
	case p.Leaving.IsZero() || p.Ended.Before(p.Leaving):
		return p.Ended
	}
	return time.Time{}
}

// release finds what the pod waited for last, and since when it could go on: the end of the last wait of its workload before its last
// container was started, or the moment it was made, if its controller made it after something had happened to another pod of the
// workload (also the former one of its name).
func (p *PodTimes) release(a *Action, waits []Span, all []*PodTimes) {
	if p.Wanted.IsZero() {
		for _, s := range p.spans {
			if s.Kind == Pod {
				p.Released = earlier(p.Released, later(s.Start, a.Start))
			}
		}
		return
	}
	p.Released = p.Wanted
	var from, free time.Time
	for _, w := range waits {
		if w.Object != p.Workload || !p.Started.IsZero() && w.End.After(p.Started) {
			continue
		}
		from, free = earlier(from, later(w.Start, a.Start)), later(free, w.End)
		if free.Equal(w.End) {
			p.For = w.Of
		}
	}
	if free.After(p.Released) {
		p.Released = free
	}
	if p.Wanted.Sub(later(free, a.Start)) > 4*slack {
		var last time.Time
		for _, o := range all {
			if o == p || o.Workload != p.Workload {
				continue
			}
			for _, at := range []time.Time{o.Ready, o.Ended, o.Gone} {
				if at.After(free) && at.After(last) && !at.After(p.Wanted.Add(slack)) {
					last, p.For = at, o.Name
					from = later(free, later(o.first(), a.Start))
				}
			}
		}
	}
	if !from.IsZero() {
		p.Waited = p.Released.Sub(from)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// earlier is the earlier of two times; a zero time does not count.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// tried says how the probes went until the containers were ready, "" without probes.
func (p *PodTimes) tried() string {
	if p.Tries == 0 {
		return ""
	}
	text := fmt.Sprintf("%d tries, the first %.2f s after the start", p.Tries, p.FirstTry.Sub(p.Started).Seconds())
	if p.Tries == 1 {
		text = fmt.Sprintf("the first try, %.2f s after the start", p.FirstTry.Sub(p.Started).Seconds())
	}
	if p.LastFailure != "" {
		text += "; the last failure: " + p.LastFailure
	}
	return text
}

// divide makes steps of the time from Released to the end of the start. Steps of several containers may come after each other, and
// what lies between them is explained by what went before.
func (p *PodTimes) divide() {
	done := p.Done()
	if done.IsZero() || p.Wanted.IsZero() && p.Started.IsZero() {
		return
	}
	ready := p.Containers
	if ready.IsZero() || ready.After(done) {
		ready = done
	}
	at := p.Released
	put := func(name, detail string, to time.Time) {
		if to.After(at) {
			p.Steps = append(p.Steps, Step{Name: name, From: at, To: to, Detail: detail})
			at = to
		}
	}
	before := StepQueued
	container := ""
	for _, s := range p.spans {
		if s.Kind != Pod || s.Start.After(ready) || !s.End.After(at) {
			continue
		}
		if before == StepInit && container == s.Detail {
			before = StepAgain
		}
		put(before, container, s.Start)
		put(s.Name, s.Detail, s.End)
		before, container = StepQueued, ""
		if s.Name == StepStart {
			before, container = StepInit, s.Detail
		}
	}
	switch {
	case p.Ready.IsZero():
		put(StepRun, container, done)
	default:
		put(StepProbe, p.tried(), ready)
		put(StepOperator, p.Operator, done)
	}
}
