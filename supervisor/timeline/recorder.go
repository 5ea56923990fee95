package timeline

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"time"
)

const (
	// keptIdle is how many spans are kept while no action goes on, so that an action that is noticed late has its beginning too.
	keptIdle = 512
	// keptAction bounds the spans of one action.
	keptAction = 20000
	// keptOpen bounds the actions that go on at the same time; the oldest is dropped.
	keptOpen = 16
)

// Recorder keeps the spans of what goes on, and the last action of each name. It does no input or output. The zero value is ready
// for use; a nil Recorder records nothing. All methods may be called from any goroutine and return at once.
type Recorder struct {
	mu sync.Mutex
	// spans are in the order in which they ended. dropped counts those that did not fit.
	spans   []Span
	dropped int
	open    []*Action
	last    map[string]*Action
}

// Add records a span that has ended.
func (r *Recorder) Add(s Span) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(s)
}

func (r *Recorder) add(s Span) {
	switch n := len(r.spans); {
	case len(r.open) > 0 && n >= keptAction:
		r.dropped++
		return
	case len(r.open) == 0 && n >= 2*keptIdle:
		r.trim()
	}
	r.spans = append(r.spans, s)
}

// trim forgets all but the latest spans. It makes a new list, so that a big one is freed.
func (r *Recorder) trim() {
	r.spans = append(make([]Span, 0, 2*keptIdle), r.spans[max(0, len(r.spans)-keptIdle):]...)
	r.dropped = 0
}

// Mark records that something happened to an object at a moment.
func (r *Recorder) Mark(name, object, of string, at time.Time, detail string) {
	r.Add(Span{Kind: Mark, Name: name, Object: object, Of: of, Start: at, End: at, Detail: detail})
}

// Running says that an action goes on, so that details are worth recording.
func (r *Recorder) Running() bool {
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.open) > 0
}

// ErrDropped ends an action that is not to be kept.
var ErrDropped = errors.New("the action is not kept")

// Open begins an action that started at a time, which may be past. The returned function ends it at another time, with the reason if it
// failed; a second call does nothing. Another action of the same name and title that goes on is dropped.
func (r *Recorder) Open(name, title string, start time.Time) (end func(at time.Time, err error)) {
	if r == nil {
		return func(time.Time, error) {}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = slices.DeleteFunc(r.open, func(a *Action) bool { return a.Name == name && a.Title == title })
	a := &Action{Name: name, Title: title, Start: start}
	r.open = append(r.open, a)
	r.open = r.open[max(0, len(r.open)-keptOpen):]
	return func(at time.Time, err error) { r.end(a, at, err) }
}

func (r *Recorder) end(a *Action, at time.Time, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.Index(r.open, a)
	if i < 0 {
		return
	}
	if !errors.Is(err, ErrDropped) {
		r.keep(r.copyOf(a, at), err)
	}
	r.open = slices.Delete(r.open, i, i+1)
	if len(r.open) == 0 {
		r.trim()
	}
}

func (r *Recorder) keep(a *Action, err error) {
	a.Over = true
	if err != nil {
		a.Error = err.Error()
	}
	if r.last == nil {
		r.last = map[string]*Action{}
	}
	r.last[a.Name] = a
}

// copyOf is an action up to a time, with its spans.
func (r *Recorder) copyOf(a *Action, at time.Time) *Action {
	out := *a
	out.End, out.Dropped = at, r.dropped
	for _, s := range r.spans {
		if !s.End.Before(a.Start) && !s.Start.After(at) {
			out.Spans = append(out.Spans, s)
		}
	}
	return &out
}

// Take records an action that another process carries out: its begin if it is not over, else its end, with the spans of that process.
func (r *Recorder) Take(a Action) {
	end := r.Open(a.Name, a.Title, a.Start)
	if !a.Over || r == nil {
		return
	}
	for _, s := range a.Spans {
		r.Add(s)
	}
	var err error
	if a.Error != "" {
		err = errors.New(a.Error)
	}
	end(a.End, err)
}

// Last is the latest action of a name, also one that goes on; of any name if name is "". It is nil if there was none. The action must
// not be changed.
func (r *Recorder) Last(name string, now time.Time) *Action {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var found *Action
	for _, a := range r.open {
		if name == "" || a.Name == name {
			found = a
		}
	}
	if found != nil {
		return r.copyOf(found, now)
	}
	for _, a := range r.last {
		if (name == "" || a.Name == name) && (found == nil || a.End.After(found.End)) {
			found = a
		}
	}
	return found
}

func sortSpans(list []Span) {
	slices.SortStableFunc(list, func(a, b Span) int {
		return cmp.Or(a.Start.Compare(b.Start), b.End.Compare(a.End))
	})
}
