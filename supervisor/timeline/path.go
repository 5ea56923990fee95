package timeline

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Link is a part of the critical path: the time from one event to the next one that depended on it.
type Link struct {
	// Object is the pod whose time it was, "" for the command or the supervisor as a whole.
	Object string `json:"object,omitempty"`
	// Why says what made the object begin, "" for the first link.
	Why string `json:"why,omitempty"`
	// Steps follow each other without gaps.
	Steps []Step `json:"steps"`
}

// From and To are the begin of the first step and the end of the last.
func (l Link) From() time.Time { return l.Steps[0].From }

// To is described with From.
func (l Link) To() time.Time { return l.Steps[len(l.Steps)-1].To }

// event is something that happened to a pod.
type event struct {
	pod *PodTimes
	at  time.Time
	// what is one of the names of marks, or StepStart.
	what string
}

// events are those of a pod within the action, none of a pod that only went on running.
func (p *PodTimes) events() []event {
	var out []event
	if len(p.Steps) == 0 && p.Gone.IsZero() {
		return nil
	}
	for what, at := range map[string]time.Time{
		StepStart: p.Started, ContainersReady: p.Containers, PodReady: p.Ready, PodEnded: p.Ended, PodGone: p.Gone,
	} {
		if !at.IsZero() {
			out = append(out, event{p, at, what})
		}
	}
	slices.SortFunc(out, func(x, y event) int { return cmp.Or(x.at.Compare(y.at), cmp.Compare(x.what, y.what)) })
	return out
}

// Path is the critical path of an action, earliest first: the chain of what depended on each other and ended last. It is walked
// backwards from the end: from the last event of a pod through what that pod spent its time with to what it waited for, and so on, to
// the steps of the command and of the supervisor before the first pod. The links have no gaps and together take as long as the action.
// The path of a drill is its phases, with notes of what happened in them: its end is a matter of what the clients saw. It is pure.
func Path(a *Action) []Link {
	if a.Name == "drill" {
		return phases(a)
	}
	w := &walk{action: a, pods: Pods(a), seen: map[event]bool{}}
	w.back()
	slices.Reverse(w.links)
	joined := join(w.links)
	calls := a.of(Engine)
	for _, l := range joined {
		for i := range l.Steps {
			l.Steps[i].Calls = callsIn(calls, l.Object, l.Steps[i])
		}
	}
	return joined
}

// join makes one link of several that have no object and follow each other.
func join(links []Link) []Link {
	var out []Link
	for _, l := range links {
		if n := len(out); n > 0 && l.Object == "" && out[n-1].Object == "" {
			out[n-1].Steps = append(out[n-1].Steps, l.Steps...)
			continue
		}
		out = append(out, l)
	}
	return out
}

// callsIn sums the engine calls for a pod, "" for none, within a step by method.
func callsIn(calls []Span, pod string, s Step) []Calls {
	var out []Calls
	for _, c := range calls {
		from, to := later(c.Start, s.From), earlier(c.End, s.To)
		if c.Of != pod || !to.After(from) {
			continue
		}
		i := slices.IndexFunc(out, func(x Calls) bool { return x.Method == c.Name })
		if i < 0 {
			out, i = append(out, Calls{Method: c.Name}), len(out)
		}
		out[i].Count++
		out[i].Took += to.Sub(from)
	}
	slices.SortFunc(out, func(x, y Calls) int { return cmp.Or(cmp.Compare(y.Took, x.Took), strings.Compare(x.Method, y.Method)) })
	return out
}

type walk struct {
	action *Action
	pods   []*PodTimes
	links  []Link
	seen   map[event]bool
}

// back walks from the end of the action to its begin.
func (w *walk) back() {
	at := w.action.End
	e := w.latest(at, func(e event) bool { return e.what == PodReady || e.what == PodEnded || e.what == PodGone })
	if e != nil {
		w.add("", "", w.fill(e.at, at, "the stack counts as ready"))
		at = e.at
	}
	for e != nil && !w.seen[*e] {
		w.seen[*e] = true
		steps, cause, because := w.cause(*e)
		steps = clip(steps, w.action.Start, at)
		if n := len(steps); n > 0 {
			if end := steps[n-1].To; end.Before(at) { // it ended after it had been ready
				steps = append(steps, Step{Name: StepRun, From: end, To: at})
			}
			at = steps[0].From
		}
		w.add(e.pod.Name, because, steps)
		if cause == nil {
			break
		}
		if cause.at.Before(at) {
			w.add("", "", []Step{{Name: "the supervisor reacts", From: cause.at, To: at}})
			at = cause.at
		}
		e = cause
	}
	w.add("", "", w.before(at))
}

// add puts a link before the others. Steps that took no time are left out.
func (w *walk) add(object, why string, steps []Step) {
	steps = slices.DeleteFunc(steps, func(s Step) bool { return s.Took() <= 0 })
	if len(steps) == 0 {
		return
	}
	w.links = append(w.links, Link{Object: object, Why: why, Steps: steps})
}

// clip cuts steps to what lies between two times.
func clip(steps []Step, from, to time.Time) []Step {
	var out []Step
	for _, s := range steps {
		if s.From.Before(from) {
			s.From = from
		}
		if s.To.After(to) {
			s.To = to
		}
		if s.To.After(s.From) {
			out = append(out, s)
		}
	}
	return out
}

// latest is the last event at or before a time that is wanted, nil if there is none.
func (w *walk) latest(at time.Time, wanted func(event) bool) *event {
	var found *event
	for _, p := range w.pods {
		for _, e := range p.events() {
			if !e.at.After(at) && !e.at.Before(w.action.Start) && wanted(e) && (found == nil || e.at.After(found.at)) {
				found = &e
			}
		}
	}
	return found
}

// cause is what a pod did until an event, and the event that it depended on, nil if that is the begin of the action.
func (w *walk) cause(e event) (steps []Step, cause *event, why string) {
	p := e.pod
	if e.what == PodGone {
		begin := p.Leaving
		if begin.IsZero() {
			return nil, nil, ""
		}
		cause = w.latest(begin.Add(slack), func(o event) bool {
			return o.pod != p && (o.what == PodReady || o.what == PodGone || o.what == PodEnded)
		})
		why = "leaves"
		if cause != nil {
			why = "leaves after " + said(*cause)
		}
		return []Step{{Name: StepTeardown, From: begin, To: e.at}}, cause, why
	}
	if e.what == PodReady && p.Operator != "" && p.Containers.Before(p.Ready) {
		if other := w.named(p); other != nil {
			detail := w.verdict(p.Operator, other.at, p.Ready)
			return []Step{{Name: StepOperator, From: other.at, To: e.at, Detail: detail}}, other, "operator " + p.Operator + " waited for " + said(*other)
		}
	}
	steps = clip(p.Steps, p.Released, e.at)
	for i, s := range steps {
		if s.Name == StepOperator {
			steps[i].Detail = w.verdict(p.Operator, s.From, s.To)
		}
	}
	if p.For == "" {
		return steps, nil, ""
	}
	cause = w.latest(p.Released.Add(slack), func(o event) bool {
		return o.pod != p && (o.pod.Workload == p.For || o.pod.Name == p.For) && o.what != ContainersReady
	})
	why = "waited for " + p.For
	if cause != nil {
		why = "waited for " + said(*cause)
	}
	return steps, cause, why
}

// named is the last event before a pod became ready of another pod of its operator that the operator's verdicts named as wrong after
// the pod's own containers were ready.
func (w *walk) named(p *PodTimes) *event {
	texts := ""
	for _, s := range w.action.of(Operator) {
		if s.Object == p.Operator && s.Failed && !s.End.Before(p.Containers) && !s.Start.After(p.Ready) {
			texts += s.Detail + "\n"
		}
	}
	e := w.latest(p.Ready, func(o event) bool {
		return o.pod != p && o.pod.Operator == p.Operator && (o.what == StepStart || o.what == ContainersReady) && strings.Contains(texts, o.pod.Name)
	})
	if e == nil || !e.at.After(p.Containers) {
		return nil
	}
	return e
}

// verdict is what an operator said last between two times that was not right.
func (w *walk) verdict(operator string, from, to time.Time) string {
	text := operator
	for _, s := range w.action.of(Operator) {
		if s.Object == operator && s.Failed && !s.End.Before(from) && !s.End.After(to.Add(slack)) {
			text = operator + ": " + s.Detail
		}
	}
	return text
}

// said is an event in words.
func said(e event) string {
	switch e.what {
	case StepStart:
		return e.pod.Name + " started"
	case ContainersReady:
		return "the containers of " + e.pod.Name
	case PodEnded:
		return e.pod.Name + " to end"
	case PodGone:
		return e.pod.Name + " to go"
	}
	return e.pod.Name
}

// fill explains a time in which no pod did anything by the steps of the supervisor, or else by a text.
func (w *walk) fill(from, to time.Time, otherwise string) []Step {
	var inner []Step
	for _, s := range w.action.of(Switch, Edit, Drill) {
		inner = append(inner, Step{Name: s.Name, From: s.Start, To: s.End, Detail: s.Detail})
	}
	return gapless(clip(inner, from, to), from, to, otherwise)
}

// gapless orders steps, cuts what overlaps and puts a step with a name into gaps.
func gapless(steps []Step, from, to time.Time, name string) []Step {
	var out []Step
	at := from
	for _, s := range steps {
		if s.From.After(at) {
			out = append(out, Step{Name: name, From: at, To: s.From})
			at = s.From
		}
		if s.To.After(at) {
			s.From = at
			out = append(out, s)
			at = s.To
		}
	}
	if to.After(at) {
		out = append(out, Step{Name: name, From: at, To: to})
	}
	return out
}

// before are the steps from the begin of the action to a time: of those that overlap the one that ended last, since what came next
// waited for all of them. A step of the command or the whole supervisor that ended later was no cause.
func (w *walk) before(to time.Time) []Step {
	list := w.action.of(Client, Stack, Build, Switch, Edit, Drill)
	var out []Step
	at := to
	for at.After(w.action.Start) {
		var s *Span
		for i := range list {
			x := &list[i]
			ends := !x.End.After(at.Add(slack)) || x.Kind == Switch || x.Kind == Edit || x.Kind == Drill
			if ends && x.Start.Before(at) && x.End.After(w.action.Start) && (s == nil || x.End.After(s.End) || x.End.Equal(s.End) && x.Start.After(s.Start)) {
				s = x
			}
		}
		if s == nil {
			out = append(out, Step{Name: "supervisor", From: w.action.Start, To: at})
			break
		}
		if end := earlier(s.End, at); end.Before(at) {
			out = append(out, Step{Name: "supervisor", From: end, To: at})
			at = end
		}
		from := later(s.Start, w.action.Start)
		out = append(out, Step{Name: s.Name, From: from, To: at, Detail: strings.TrimSpace(s.Object + " " + s.Detail)})
		at = from
	}
	slices.Reverse(out)
	return out
}

// Text is a step in words, without its time.
func (s Step) Text() string {
	switch s.Name {
	case StepQueued:
		return "queued in the supervisor"
	case StepInit:
		return "until init container " + s.Detail + " ended"
	case StepAgain:
		return "until container " + s.Detail + " had ended and was started again"
	case StepProbe:
		return "until it counted as ready" + strings.TrimSuffix(": "+s.Detail, ": ")
	case StepOperator:
		return "until operator " + s.Detail
	case StepRun:
		return "ran to its end"
	case StepTeardown:
		return "stopped and removed"
	}
	if s.Detail != "" {
		return s.Name + " " + s.Detail
	}
	return s.Name
}
