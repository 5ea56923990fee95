package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// EventType is what happened to an object.
type EventType string

// The types, in the words of the Kubernetes API.
const (
	Added    EventType = "ADDED"
	Modified EventType = "MODIFIED"
	Deleted  EventType = "DELETED"
)

// Event is one change of one object: as it was stored or, for Deleted, as it was last, with the revision of the deletion.
type Event struct {
	Type     EventType
	Object   Object
	Revision uint64
}

// Window is how many changes of a kind are kept for those who watch.
const Window = 1000

// window is the latest changes of a kind, oldest first.
type window struct {
	events []Event
	// begin is the revision after which every change is in events.
	begin uint64
	// changed is closed at the next change.
	changed chan struct{}
}

func (w *window) add(e Event) {
	w.events = append(w.events, e)
	if n := len(w.events); n > Window+Window/4 { // trimmed rarely, so that adding costs little
		w.trim(n - Window)
	}
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *window) trim(n int) {
	w.begin = w.events[n-1].Revision
	w.events = append([]Event(nil), w.events[n:]...)
}

// after are the changes after a revision; false when some of them are not kept any more.
func (w *window) after(revision uint64) ([]Event, bool) {
	kept, begin := w.events, w.begin
	if extra := len(kept) - Window; extra > 0 {
		kept, begin = kept[extra:], kept[extra-1].Revision
	}
	if revision < begin {
		return nil, false
	}
	i, found := slices.BinarySearchFunc(kept, revision, func(e Event, r uint64) int {
		switch {
		case e.Revision < r:
			return -1
		case e.Revision > r:
			return 1
		}
		return 0
	})
	if found {
		i++
	}
	return kept[i:], true
}

// Watch follows the changes of a kind after a revision, as a List gave it.
type Watch struct {
	store *Store
	kind  schema.GroupKind
	at    uint64
	ready []Event
}

// Watch begins after revision since. A revision whose following changes are not all kept any more (Window) gives an error
// that Gone recognises: list again. A revision that has not been given out yet is an error too.
func (s *Store) Watch(kind schema.GroupKind, since uint64) (*Watch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if since > s.revision {
		return nil, apierrors.NewTimeoutError(fmt.Sprintf("Too large resource version: %d, current: %d", since, s.revision), 1)
	}
	if _, ok := s.collection(kind).window.after(since); !ok {
		return nil, gone(since)
	}
	return &Watch{store: s, kind: kind, at: since}, nil
}

// Next blocks until there is a change after the last one that it returned, or ctx ends (then its cause is the error). A
// watcher that has fallen behind the window gets an error that Gone recognises. It is for one goroutine.
func (w *Watch) Next(ctx context.Context) (Event, error) {
	for len(w.ready) == 0 {
		w.store.mu.RLock()
		win := &w.store.kinds[w.kind].window
		events, ok := win.after(w.at)
		changed := win.changed
		w.store.mu.RUnlock()
		if !ok {
			return Event{}, gone(w.at)
		}
		if len(events) > 0 {
			w.ready = slices.Clone(events)
			break
		}
		select {
		case <-ctx.Done():
			return Event{}, context.Cause(ctx)
		case <-changed:
		}
	}
	e := w.ready[0]
	w.ready = w.ready[1:]
	w.at = e.Revision
	return e, nil
}

func gone(revision uint64) error {
	return apierrors.NewResourceExpired(fmt.Sprintf("too old resource version: %d: list again", revision))
}

// Gone says that a watch cannot go on because changes were missed: list again.
func Gone(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && (apierrors.IsResourceExpired(err) || apierrors.IsGone(err))
}
