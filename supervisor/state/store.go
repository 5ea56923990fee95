package state

import (
	"context"
	"sync"
)

// Store holds the latest snapshot. Publish has one caller; everything else may be called by many.
type Store struct {
	mu   sync.Mutex
	last *Snapshot
	subs map[chan *Snapshot]struct{}
}

// NewStore begins with the snapshot given.
func NewStore(first *Snapshot) *Store {
	return &Store{last: first, subs: map[chan *Snapshot]struct{}{}}
}

// Publish makes s the latest snapshot, numbers it, and hands it to the readers. It never blocks: a reader that has not
// taken the one before gets this one instead.
func (st *Store) Publish(s *Snapshot) {
	st.mu.Lock()
	defer st.mu.Unlock()
	s.Seq = st.last.Seq + 1
	st.last = s
	for ch := range st.subs {
		replace(ch, s)
	}
}

// Latest is the snapshot published last.
func (st *Store) Latest() *Snapshot {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.last
}

// Subscribe delivers the latest snapshot at once and then newer ones, skipping those that the reader was too slow for.
// The channel closes when ctx ends.
func (st *Store) Subscribe(ctx context.Context) <-chan *Snapshot {
	ch := make(chan *Snapshot, 1)
	st.mu.Lock()
	defer st.mu.Unlock()
	ch <- st.last
	st.subs[ch] = struct{}{}
	context.AfterFunc(ctx, func() {
		st.mu.Lock()
		defer st.mu.Unlock()
		delete(st.subs, ch)
		close(ch)
	})
	return ch
}

// replace puts s into a channel of one place, throwing out what is there. Only Publish sends, under the lock.
func replace[T any](ch chan T, s T) {
	select {
	case <-ch:
	default:
	}
	ch <- s
}
