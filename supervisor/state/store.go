package state

import (
	"context"
	"sync"
)

// Store holds the latest state. Publish must have a single caller; the other methods are safe for concurrent use.
type Store struct {
	mu   sync.Mutex
	last *Status
	subs map[chan *Status]struct{}
}

// NewStore returns a Store that holds first.
func NewStore(first *Status) *Store {
	return &Store{last: first, subs: map[chan *Status]struct{}{}}
}

// Publish makes s the latest state, sets its Seq, and delivers it to the subscribers. It never blocks: a subscriber that has not
// received the previous state yet gets this one instead.
func (st *Store) Publish(s *Status) {
	st.mu.Lock()
	defer st.mu.Unlock()
	s.Seq = st.last.Seq + 1
	st.last = s
	for ch := range st.subs {
		replace(ch, s)
	}
}

// Latest returns the latest state.
func (st *Store) Latest() *Status {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.last
}

// Subscribe delivers the latest state at once and then newer ones. A slow reader misses intermediate states. The channel is
// closed when ctx ends.
func (st *Store) Subscribe(ctx context.Context) <-chan *Status {
	ch := make(chan *Status, 1)
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

// replace sends s to a channel of capacity 1, replacing an unread value. Only Publish sends, with the lock held.
func replace[T any](ch chan T, s T) {
	select {
	case <-ch:
	default:
	}
	ch <- s
}
