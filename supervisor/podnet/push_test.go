package podnet

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
)

// stopSignal notes when it was released.
type stopSignal struct {
	mu sync.Mutex
	at []time.Time
}

func (s *stopSignal) send() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = append(s.at, time.Now())
}

// after is how long after a time the signal was released; it must have been, once.
func (s *stopSignal) after(t *testing.T, began time.Time) time.Duration {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.at) != 1 {
		t.Fatalf("released %d times", len(s.at))
	}
	return s.at[0].Sub(began)
}

func (s *stopSignal) held() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.at) == 0
}

// TestTheStopSignalWaitsForTheAgent: a pod's stop goes on when the agent has acknowledged the table without it.
func TestTheStopSignalWaitsForTheAgent(t *testing.T) {
	cases := []struct {
		name string
		// before makes the trouble; heal ends it a second later.
		before, heal func(r *rig)
		wait         time.Duration
		events       []string
	}{
		{name: "an agent that answers at once"},
		{name: "a slow agent", before: func(r *rig) { r.hang = 700 * time.Millisecond }, wait: 700 * time.Millisecond},
		{
			name:   "an agent that refuses for a second",
			before: func(r *rig) { r.refuse = errors.New("not yet") }, heal: func(r *rig) { r.refuse = nil }, wait: time.Second,
		},
		{
			name: "an agent that never acknowledges", before: func(r *rig) { r.refuse = errors.New("never") },
			wait: ackLimit, events: []string{"Pod web-0 Warning NotDrained"},
		},
		{
			name: "an agent that hangs", before: func(r *rig) { r.hang = time.Hour },
			wait: ackLimit, events: []string{"Pod web-0 Warning NotDrained"},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			onRig(t, func(r *rig) {
				r.n.Offer(view("web-0", "web-1"))
				r.pass(time.Second)
				if c.before != nil {
					r.set(func() { c.before(r) })
				}
				began := time.Now()
				var stop stopSignal
				r.n.AfterNextPush("web-0", stop.send)
				r.n.Offer(view("web-1"))
				r.pass(time.Second - time.Millisecond)
				if c.heal != nil {
					if !stop.held() {
						t.Error("released though the agent has not acknowledged")
					}
					r.set(func() { c.heal(r) })
				}
				r.pass(5 * time.Second)
				if got := stop.after(t, began); got < c.wait || got > c.wait+repushFirst {
					t.Errorf("released after %s, want %s", got, c.wait)
				}
				if _, pods := r.pushed(); c.events == nil && !slices.Equal(pods, []string{"web-1"}) {
					t.Errorf("the agent serves %v", pods)
				}
				r.wantEvents(c.events...)
			})
		})
	}
}

// TestAnAgentThatCannotRunHoldsNoStop: it is known that there is none, and said so; nothing waits for it.
func TestAnAgentThatCannotRunHoldsNoStop(t *testing.T) {
	onRig(t, func(r *rig) {
		r.set(func() { r.imageErr = errors.New("no space left on device") })
		if err := r.RemoveContainer(r.t.Context(), r.agent().ID); err != nil {
			t.Fatal(err)
		}
		r.pass(checkEvery)
		if r.n.Trouble() == "" {
			t.Fatal("nobody knows that the agent does not run")
		}
		began := time.Now()
		var stop stopSignal
		r.n.AfterNextPush("web-0", stop.send)
		r.n.Offer(view("web-1"))
		r.pass(10 * time.Second)
		if got := stop.after(t, began); got > repushFirst {
			t.Errorf("released after %s", got)
		}
		r.wantEvents()
		r.set(func() { r.imageErr = nil })
		r.pass(2 * repushLast)
		if got := r.n.Trouble(); got != "" {
			t.Errorf("trouble is over, and still told: %s", got)
		}
		if _, pods := r.pushed(); !slices.Equal(pods, []string{"web-1"}) {
			t.Errorf("the agent serves %v", pods)
		}
	})
}

// TestWithoutAStackNothingWaits: there is no table.
func TestWithoutAStackNothingWaits(t *testing.T) {
	onRig(t, func(r *rig) {
		r.n.pending = nil
		var stop stopSignal
		began := time.Now()
		r.n.AfterNextPush("old-0", stop.send)
		r.n.Offer(nil)
		r.pass(time.Second)
		if got := stop.after(t, began); got != 0 {
			t.Errorf("released after %s", got)
		}
	})
}

// TestAnEngineThatHangsHoldsNoStop: the agent is away, and bringing it back takes for ever.
func TestAnEngineThatHangsHoldsNoStop(t *testing.T) {
	onRig(t, func(r *rig) {
		r.Inject(func(f *enginefake.Faults) { f.ListNetworks = enginefake.Hang })
		r.set(func() { r.refuse = errors.New("away") })
		began := time.Now()
		var stop stopSignal
		r.n.AfterNextPush("web-0", stop.send)
		r.n.Offer(view("web-1"))
		r.pass(time.Minute)
		if got := stop.after(t, began); got != ackLimit {
			t.Errorf("released after %s, want %s", got, ackLimit)
		}
	})
}

// TestUnchangedTablesAreNotPushed: offers without a change cost nothing.
func TestUnchangedTablesAreNotPushed(t *testing.T) {
	onRig(t, func(r *rig) {
		before, _ := r.pushed()
		for range 5 {
			r.n.Offer(view("web-0"))
			r.pass(time.Second)
		}
		if after, _ := r.pushed(); after != before+1 {
			t.Errorf("%d pushes of one table", after-before)
		}
		r.n.Look() // a new agent has no table
		r.pass(time.Second)
		if after, _ := r.pushed(); after != before+2 {
			t.Errorf("%d pushes, want one more after a look", after-before)
		}
	})
}
