package timeline

import (
	"cmp"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// traceEvent is an event of Chrome's trace event format ("Trace Event Format", the JSON object form), which Perfetto reads too. Times
// are in microseconds.
type traceEvent struct {
	Name string         `json:"name"`
	Cat  string         `json:"cat,omitempty"`
	Ph   string         `json:"ph"`
	TS   float64        `json:"ts"`
	Dur  *float64       `json:"dur,omitempty"`
	PID  int            `json:"pid"`
	TID  int            `json:"tid"`
	S    string         `json:"s,omitempty"`
	Args map[string]any `json:"args,omitempty"`
}

// lane is a row of the trace: events within one either follow each other or are nested.
type lane struct {
	name   string
	events []traceEvent
	// open are the ends of the events that a new one would be nested in.
	open []float64
}

// WriteTrace writes an action as a trace file that Perfetto (ui.perfetto.dev) and chrome://tracing open. Rows, from the top: the
// critical path, the command and the supervisor, builds, operators, a row a pod, and as many rows of engine calls as went on at once.
func WriteTrace(out io.Writer, a *Action) error {
	t := &trace{start: a.Start}
	t.path(a)
	t.spans("command and supervisor", a.of(Client, Stack, Switch, Edit, Drill))
	t.spans("events", a.of(Event))
	t.spans("builds", a.of(Build))
	byOperator := map[string][]Span{}
	for _, s := range a.of(Operator) {
		byOperator[s.Object] = append(byOperator[s.Object], s)
	}
	for _, name := range slices.Sorted(maps.Keys(byOperator)) {
		t.spans("operator "+name, byOperator[name])
	}
	t.pods(a)
	t.spans("engine", a.of(Engine))
	return t.write(out, a)
}

type trace struct {
	start time.Time
	lanes []*lane
}

// micros are microseconds since the begin of the action.
func (t *trace) micros(at time.Time) float64 { return float64(at.Sub(t.start).Nanoseconds()) / 1000 }

// put places an event in the first lane of a group, from index first, where it follows or is nested in what is there.
func (t *trace) put(group string, first int, e traceEvent) {
	end := e.TS
	if e.Dur != nil {
		end += *e.Dur
	}
	for i := first; ; i++ {
		if i == len(t.lanes) {
			t.lanes = append(t.lanes, &lane{name: group})
		}
		l := t.lanes[i]
		for len(l.open) > 0 && l.open[len(l.open)-1] <= e.TS {
			l.open = l.open[:len(l.open)-1]
		}
		if len(l.open) > 0 && end > l.open[len(l.open)-1] {
			continue
		}
		l.open = append(l.open, end)
		l.events = append(l.events, e)
		return
	}
}

// between makes the event of something that took a time. One that began before the action is cut.
func (t *trace) between(name, kind string, from, to time.Time, args map[string]any) traceEvent {
	from = later(from, t.start)
	dur := max(float64(to.Sub(from).Nanoseconds())/1000, 0)
	return traceEvent{Name: name, Cat: kind, Ph: "X", TS: t.micros(from), Dur: &dur, Args: args}
}

func (t *trace) path(a *Action) {
	first := len(t.lanes)
	for _, l := range Path(a) {
		for _, s := range l.Steps {
			t.put("critical path", first, t.between(cmp.Or(l.Object, s.Name), "path", s.From, s.To, map[string]any{"step": s.Text(), "because": l.Why}))
		}
	}
}

// spans puts a group of spans, in the order of their starts, into lanes of its own.
func (t *trace) spans(group string, list []Span) {
	first := len(t.lanes)
	for _, s := range list {
		args := map[string]any{}
		for key, value := range map[string]string{"of": s.Of, "detail": s.Detail} {
			if value != "" {
				args[key] = value
			}
		}
		if s.Failed {
			args["failed"] = true
		}
		t.put(group, first, t.between(strings.TrimSpace(s.Name+" "+s.Object), string(s.Kind), s.Start, s.End, args))
	}
}

// pods gives each pod its lanes: its steps, and below them the tries of its probes.
func (t *trace) pods(a *Action) {
	for _, p := range Pods(a) {
		first := len(t.lanes)
		for _, s := range p.list(a) {
			t.put("pod "+p.Name, first, t.between(s.Name, "pod", s.From, s.To, map[string]any{"detail": s.Detail}))
		}
		if p.Done().IsZero() {
			continue
		}
		at := t.micros(p.Done())
		t.put("pod "+p.Name, first, traceEvent{Name: "ready", Cat: "pod", Ph: "i", S: "t", TS: at})
	}
}

// list are the steps of a pod with the wait before them and the tries of its probes, in the order of their begins.
func (p *PodTimes) list(a *Action) []Step {
	var out []Step
	if p.Waited > 0 {
		out = append(out, Step{Name: "waits for " + p.For, From: p.Released.Add(-p.Waited), To: p.Released})
	}
	out = append(out, p.Steps...)
	if !p.Gone.IsZero() && !p.Leaving.IsZero() {
		out = append(out, Step{Name: StepTeardown, From: p.Leaving, To: p.Gone})
	}
	for _, s := range p.spans {
		if s.Kind == Probe && s.End.After(a.Start) {
			out = append(out, Step{Name: s.Name + " probe", From: s.Start, To: s.End, Detail: s.Detail})
		}
	}
	slices.SortStableFunc(out, func(x, y Step) int { return cmp.Or(x.From.Compare(y.From), y.To.Compare(x.To)) })
	return out
}

func (t *trace) write(out io.Writer, a *Action) error {
	title := strings.TrimSpace("lyandev " + a.Name + " " + a.Title)
	events := []traceEvent{{Name: "process_name", Ph: "M", PID: 1, Args: map[string]any{"name": title}}}
	for i, l := range t.lanes {
		events = append(
			events,
			traceEvent{Name: "thread_name", Ph: "M", PID: 1, TID: i + 1, Args: map[string]any{"name": l.name}},
			traceEvent{Name: "thread_sort_index", Ph: "M", PID: 1, TID: i + 1, Args: map[string]any{"sort_index": i + 1}},
		)
		for _, e := range l.events {
			e.PID, e.TID = 1, i+1
			events = append(events, e)
		}
	}
	return json.NewEncoder(out).Encode(map[string]any{"displayTimeUnit": "ms", "traceEvents": events})
}
