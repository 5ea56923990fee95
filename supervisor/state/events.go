package state

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

// Event is a Kubernetes event of an object. A repeated event increments Count.
type Event struct {
	// Seq is the sequence number of the latest occurrence, unique over all events.
	Seq uint64 `json:"seq"`
	// Kind and Name identify the object ("Pod", "lyanna-mariadb-master-0").
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Container is the container of the pod that the event is about, "" for the whole object.
	Container string `json:"container,omitempty"`
	// Type is Normal or Warning.
	Type    string    `json:"type"`
	Reason  string    `json:"reason"`
	Message string    `json:"message"`
	Count   int       `json:"count"`
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`
}

type eventKey struct{ kind, name, container, typ, reason, message string }

// maxEvents bounds the log. The events with the oldest latest occurrence are dropped first.
const maxEvents = 2000

// Events is the event log, newest last. It is safe for concurrent use.
type Events struct {
	mu    sync.Mutex
	seq   uint64
	byKey map[eventKey]*Event
	subs  map[chan struct{}]struct{}
}

// NewEvents returns an empty log.
func NewEvents() *Events {
	return &Events{byKey: map[eventKey]*Event{}, subs: map[chan struct{}]struct{}{}}
}

// Add records one occurrence of an event. It never blocks on readers.
func (l *Events) Add(at time.Time, kind, name, typ, reason, message string) {
	l.AddContainer(at, kind, name, "", typ, reason, message)
}

// AddContainer is Add for an event of one container of a pod.
func (l *Events) AddContainer(at time.Time, kind, name, container, typ, reason, message string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq++
	k := eventKey{kind, name, container, typ, reason, message}
	e := l.byKey[k]
	if e == nil {
		e = &Event{Kind: kind, Name: name, Container: container, Type: typ, Reason: reason, Message: message, First: at}
		l.byKey[k] = e
		l.trim()
	}
	e.Seq, e.Last = l.seq, at
	e.Count++
	for ch := range l.subs {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

// trim drops the older half when the log is full, to amortise the cost.
func (l *Events) trim() {
	if len(l.byKey) <= maxEvents {
		return
	}
	for k, e := range l.byKey {
		if e.Seq != 0 && e.Seq+maxEvents/2 < l.seq {
			delete(l.byKey, k)
		}
	}
}

// Since returns the events whose latest occurrence is after seq, ordered by latest occurrence; 0 returns all.
func (l *Events) Since(seq uint64) []Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Event
	for _, e := range l.byKey {
		if e.Seq > seq {
			out = append(out, *e)
		}
	}
	slices.SortFunc(out, func(a, b Event) int { return cmp.Compare(a.Seq, b.Seq) })
	return out
}

// Wait blocks until an event after seq exists (true) or ctx ends (false).
func (l *Events) Wait(ctx context.Context, seq uint64) bool {
	ch := make(chan struct{}, 1)
	l.mu.Lock()
	if l.seq > seq {
		l.mu.Unlock()
		return true
	}
	l.subs[ch] = struct{}{}
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		delete(l.subs, ch)
		l.mu.Unlock()
	}()
	select {
	case <-ch:
		return true
	case <-ctx.Done():
		return false
	}
}
