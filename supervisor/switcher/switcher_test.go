package switcher

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/state"
)

// stack is a running stack that does as it is told.
type stack struct {
	mu    sync.Mutex
	taken []string
	// progress is by profile; readyAfter is how long after it was taken a profile is done, if progress says nothing.
	progress   map[string]Progress
	readyAfter map[string]time.Duration
	tookAt     map[string]time.Time
	takeErr    map[string]error
	moves      func(try int) (moved []string, err error)
	handovers  int
	// fileAtTake is what was saved when a stack was taken.
	file       string
	fileAtTake []string
}

func (k *stack) Take(_ context.Context, s *services.Stack) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	b, _ := os.ReadFile(k.file)
	p := Pending{}
	_ = json.Unmarshal(b, &p)
	k.fileAtTake = append(k.fileAtTake, fmt.Sprintf("back=%v", p.Back))
	k.taken = append(k.taken, s.Profile)
	k.tookAt[s.Profile] = time.Now()
	return k.takeErr[s.Profile]
}

func (k *stack) Progress(_ context.Context, profile string) (Progress, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if p, ok := k.progress[profile]; ok {
		return p, nil
	}
	if time.Since(k.tookAt[profile]) >= k.readyAfter[profile] {
		return Progress{Done: true}, nil
	}
	return Progress{Waiting: "web is not ready yet"}, nil
}

func (k *stack) Handover(_ context.Context, to *services.Stack) ([]string, error) {
	k.handovers++
	if k.moves == nil {
		return nil, nil
	}
	return k.moves(k.handovers)
}

// rig is a Switcher on a stack, in virtual time.
type rig struct {
	*Switcher
	*stack
	t      *testing.T
	cancel context.CancelFunc
	ended  chan error
	done   chan struct{}

	mu      sync.Mutex
	events  []string
	changes atomic.Int32
}

func newRig(t *testing.T, file string) *rig {
	r := &rig{
		t: t, done: make(chan struct{}),
		stack: &stack{progress: map[string]Progress{}, readyAfter: map[string]time.Duration{}, tookAt: map[string]time.Time{}, takeErr: map[string]error{}, file: file},
	}
	r.Switcher = New(Config{
		Stack: r.stack, File: file, Done: r.done, Log: slog.New(slog.DiscardHandler),
		Changed: func() { r.changes.Add(1) },
		Event: func(typ, reason, message string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.events = append(r.events, typ+" "+reason+": "+message)
		},
	})
	return r
}

// run is the life of a supervisor.
func (r *rig) run() {
	ctx, cancel := context.WithCancel(r.t.Context())
	r.cancel, r.ended = cancel, make(chan error, 1)
	go func() { r.ended <- r.Run(ctx) }()
}

func (r *rig) stop() {
	r.cancel()
	if err := <-r.ended; err != nil {
		r.t.Errorf("Run ended with %v", err)
	}
}

func (r *rig) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// is checks the published status.
func (r *rig) is(phase state.SwitchPhase, errText string) *state.Switch {
	r.t.Helper()
	got := r.Latest()
	if got.Phase != phase || (errText == "") != (got.Error == "") || !strings.Contains(got.Error, errText) {
		r.t.Fatalf("the switch is %s (%q), want %s (%q)", got.Phase, got.Error, phase, errText)
	}
	over := slices.Contains([]state.SwitchPhase{state.SwitchDone, state.SwitchRefused, state.SwitchRolledBack, state.SwitchFailed}, phase)
	if got.Over() != over {
		r.t.Fatalf("the switch is %s and over is %v", phase, got.Over())
	}
	if _, err := os.Stat(r.file); over && !errors.Is(err, os.ErrNotExist) {
		r.t.Errorf("the switch is over and still saved (%v)", err)
	}
	return got
}

func (r *rig) wantTaken(want ...string) {
	r.t.Helper()
	r.stack.mu.Lock()
	defer r.stack.mu.Unlock()
	if !slices.Equal(r.taken, want) {
		r.t.Errorf("taken were %v, want %v", r.taken, want)
	}
}

func request(change ...func(*Request)) Request {
	q := Request{From: "minimal", To: "ha", Limit: time.Minute, Prepare: func(context.Context) (*services.Stack, *services.Stack, error) {
		return &services.Stack{Profile: "minimal"}, &services.Stack{Profile: "ha"}, nil
	}}
	for _, c := range change {
		c(&q)
	}
	return q
}

// onRig runs a test with a supervisor that found no switch.
func onRig(t *testing.T, test func(r *rig)) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "switch.json")
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, file)
		if p := r.Resume(); p != nil {
			t.Fatalf("resumed %+v", p)
		}
		r.run()
		defer r.stop()
		test(r)
	})
}

func (r *rig) begin(q Request) {
	r.t.Helper()
	if err := r.Begin(q); err != nil {
		r.t.Fatal(err)
	}
}

func TestDone(t *testing.T) {
	onRig(t, func(r *rig) {
		r.readyAfter["ha"] = 10 * time.Second
		r.moves = func(int) ([]string, error) { return []string{"db-0"}, nil }
		r.begin(request())
		r.pass(time.Second)
		if got := r.is(state.SwitchGoing, ""); got.Waiting != "web is not ready yet" || got.From != "minimal" || got.To != "ha" {
			t.Errorf("on the way: %+v", got)
		}
		before := r.changes.Load()
		r.pass(time.Minute)
		got := r.is(state.SwitchDone, "")
		if d := got.Ended.Sub(got.Started); d != 10*time.Second || got.Waiting != "" || !slices.Equal(got.Moved, []string{"db-0"}) {
			t.Errorf("after %s: %+v", d, got)
		}
		r.wantTaken("ha")
		if !slices.Equal(r.events, []string{"Normal Switched: from profile minimal to profile ha in 10s"}) {
			t.Errorf("events are %q", r.events)
		}
		if told := r.changes.Load() - before; told != 1 {
			t.Errorf("%d changes were told, want one more for the end", told)
		}
	})
}

func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Request)
		hand   func(int) ([]string, error)
		want   string
		after  time.Duration
		tries  int
	}{
		"cannot be prepared": {
			change: func(q *Request) {
				q.Prepare = func(context.Context) (*services.Stack, *services.Stack, error) {
					return nil, nil, errors.New("no such image")
				}
			},
			want: "no such image; nothing was changed",
		},
		"masters cannot move": {
			hand: func(int) ([]string, error) { return nil, errors.New("slave lags by 3 s") },
			want: "cannot move the masters to pods that stay: slave lags by 3 s (not within 1m0s); nothing was changed", after: time.Minute, tries: 120,
		},
	} {
		t.Run(name, func(t *testing.T) {
			onRig(t, func(r *rig) {
				r.moves = c.hand
				q := request()
				if c.change != nil {
					c.change(&q)
				}
				r.begin(q)
				r.pass(2 * time.Minute)
				got := r.is(state.SwitchRefused, c.want)
				if d := got.Ended.Sub(got.Started); d != c.after || r.handovers < c.tries {
					t.Errorf("after %s and %d tries, want %s and %d", d, r.handovers, c.after, c.tries)
				}
				r.wantTaken()
			})
		})
	}
}

func TestMastersAreGivenTimeToMove(t *testing.T) {
	onRig(t, func(r *rig) {
		r.moves = func(try int) ([]string, error) {
			if try < 5 {
				return []string{fmt.Sprint("m", try)}[:try%2], errors.New("slave lags")
			}
			return []string{"last"}, nil
		}
		r.begin(request())
		r.pass(time.Second)
		if got := r.is(state.SwitchMovingRoles, ""); got.Waiting != "slave lags" {
			t.Errorf("it waits for %q", got.Waiting)
		}
		r.wantTaken()
		r.pass(time.Minute)
		if got := r.is(state.SwitchDone, ""); !slices.Equal(got.Moved, []string{"m1", "m3", "last"}) {
			t.Errorf("moved were %v", got.Moved)
		}
	})
}

func TestRolledBack(t *testing.T) {
	for name, c := range map[string]struct {
		progress *Progress
		take     error
		limit    time.Duration
		want     string
		after    time.Duration
	}{
		"not ready in time": {limit: 30 * time.Second, want: "profile ha is not ready after 30s: web is not ready yet", after: 30 * time.Second},
		"the usual limit":   {want: "profile ha is not ready after 3m0s: web is not ready yet", after: DefaultLimit},
		"never will be":     {progress: &Progress{Never: "web exits with 7"}, want: "web exits with 7"},
		"cannot be saved":   {take: errors.New("disk full"), want: "disk full"},
	} {
		t.Run(name, func(t *testing.T) {
			onRig(t, func(r *rig) {
				r.readyAfter["ha"], r.readyAfter["minimal"] = time.Hour, 5*time.Second
				if c.progress != nil {
					r.progress["ha"] = *c.progress
				}
				r.takeErr["ha"] = c.take
				r.begin(request(func(q *Request) { q.Limit = c.limit }))
				r.pass(c.after + time.Second)
				r.is(state.SwitchRollingBack, c.want)
				r.pass(time.Minute)
				got := r.is(state.SwitchRolledBack, c.want)
				if d := got.Ended.Sub(got.Started); d < c.after || d > c.after+6*time.Second {
					t.Errorf("it took %s", d)
				}
				r.wantTaken("ha", "minimal")
				if want := []string{"back=false", "back=true"}; !slices.Equal(r.fileAtTake, want) {
					t.Errorf("saved before each stack was taken: %v, want %v", r.fileAtTake, want)
				}
				if len(r.events) != 2 || !strings.HasPrefix(r.events[0], "Warning RollingBack: the switch from profile minimal to profile ha failed: "+c.want) ||
					!strings.HasPrefix(r.events[1], "Warning Switch: from profile minimal to profile ha: rolled back: "+c.want) {
					t.Errorf("events are %q", r.events)
				}
			})
		})
	}
}

func TestRollbackFails(t *testing.T) {
	onRig(t, func(r *rig) {
		r.progress["ha"] = Progress{Never: "web exits with 7"}
		r.readyAfter["minimal"] = time.Hour
		r.begin(request())
		r.pass(2 * time.Minute)
		r.is(state.SwitchFailed, "web exits with 7; and rolling back to minimal: profile minimal is not ready after 1m0s: web is not ready yet; the supervisor goes on trying")
		r.wantTaken("ha", "minimal")
	})
}

func TestStackIsStopped(t *testing.T) {
	onRig(t, func(r *rig) {
		r.progress["ha"] = Progress{Stopping: true}
		r.begin(request())
		r.pass(time.Second)
		r.is(state.SwitchFailed, "the stack is being stopped")
		r.wantTaken("ha")
	})
}

// TestTheNextSupervisorGoesOn: a supervisor ends in the middle; the next one takes the switch over where it was.
func TestTheNextSupervisorGoesOn(t *testing.T) {
	for name, c := range map[string]struct {
		first, second Progress
		wanted, other string
		phase         state.SwitchPhase
		end           state.SwitchPhase
		errText       string
	}{
		"forward":           {Progress{Waiting: "x"}, Progress{Done: true}, "ha", "minimal", state.SwitchGoing, state.SwitchDone, ""},
		"forward, and back": {Progress{Waiting: "x"}, Progress{Never: "crashes"}, "ha", "minimal", state.SwitchGoing, state.SwitchRolledBack, "crashes"},
		"back":              {Progress{Never: "crashes"}, Progress{Done: true}, "minimal", "ha", state.SwitchRollingBack, state.SwitchRolledBack, "crashes"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "switch.json")
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, file)
				r.Resume()
				r.run()
				r.progress["ha"], r.readyAfter["minimal"] = c.first, time.Hour
				r.begin(request())
				r.pass(time.Second)
				r.stop()
				if r.Latest().Over() {
					t.Fatalf("the switch ended with its supervisor: %+v", r.Latest())
				}
				r = newRig(t, file)
				if got := r.Saved().Status(); got == nil || got.Phase != c.phase {
					t.Fatalf("saved is %+v", got)
				}
				p := r.Resume()
				if p == nil || p.Wanted().Profile != c.wanted || p.Other().Profile != c.other || p.Limit != time.Minute {
					t.Fatalf("resumed %+v", p)
				}
				if err := r.Begin(request()); !errors.Is(err, ErrSwitching) {
					t.Errorf("another switch begins: %v", err)
				}
				r.progress["ha"] = c.second
				r.run()
				r.pass(10 * time.Second)
				r.is(c.end, c.errText)
				if r.handovers != 0 {
					t.Error("roles were moved again")
				}
				r.stop()
			})
		})
	}
}

// TestSavedFormat: a supervisor of another version reads and writes the same file.
func TestSavedFormat(t *testing.T) {
	file := filepath.Join(t.TempDir(), "switch.json")
	s := newRig(t, file)
	for text, want := range map[string]string{
		`{"from":{"profile":"minimal"},"to":{"profile":"ha"},"started":"2026-01-05T10:00:00Z","limit":180000000000}`:                           "minimal ha switching 3m0s",
		`{"from":{"profile":"minimal"},"to":{"profile":"ha"},"back":true,"reason":"why","started":"2026-01-05T10:00:00Z","limit":60000000000}`: "minimal ha rolling back 1m0s why",
		`{"from":{"profile":"minimal"}}`: "", `{"from":`: "", ``: "",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got := ""
		if p := s.Saved(); p != nil {
			got = strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s", p.From.Profile, p.To.Profile, p.Status().Phase, p.Limit, p.Status().Error))
			b, err := json.Marshal(p)
			var again, was map[string]any
			if err != nil || json.Unmarshal(b, &again) != nil || json.Unmarshal([]byte(text), &was) != nil {
				t.Fatal(err)
			}
			if len(again) != len(was) {
				t.Errorf("written back it has other fields: %s", b)
			}
		} else if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a file that cannot be read stays: %q", text)
		}
		if got != want {
			t.Errorf("%s: read %q, want %q", text, got, want)
		}
	}
	if err := os.RemoveAll(file); err != nil {
		t.Fatal(err)
	}
	if s.Saved().Status() != nil {
		t.Error("without a file there is a switch")
	}
}

func TestDiscard(t *testing.T) {
	file := filepath.Join(t.TempDir(), "switch.json")
	if err := os.WriteFile(file, []byte(`{"from":{},"to":{}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, file)
	r.Discard()
	if err := r.Await(t.Context()); err != nil || r.Saved() != nil || r.Latest() != nil {
		t.Errorf("a switch of a stack that is gone is there: %v", err)
	}
}

func TestOneAtATime(t *testing.T) {
	onRig(t, func(r *rig) {
		r.readyAfter["ha"] = 10 * time.Second
		r.begin(request())
		r.pass(time.Second)
		if err := r.Begin(request()); !errors.Is(err, ErrSwitching) {
			t.Errorf("two switches at a time: %v", err)
		}
		began := time.Now()
		if err := r.Await(r.t.Context()); err != nil || time.Since(began) != 9*time.Second {
			t.Errorf("a change waited %s for the switch (%v)", time.Since(began), err)
		}
		r.begin(request())
		r.pass(time.Minute)
		r.is(state.SwitchDone, "")
		r.wantTaken("ha", "ha")
	})
}

func TestAwaitGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, filepath.Join(os.TempDir(), "there-is-none"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.Await(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("before it is known whether a switch goes on: %v", err)
		}
		r.Resume()
		if err := r.Await(t.Context()); err != nil {
			t.Error(err)
		}
		r.begin(request()) // nobody carries it out
		close(r.done)
		if err := r.Await(t.Context()); err == nil || !strings.Contains(err.Error(), "the supervisor has ended") {
			t.Errorf("after the supervisor's end: %v", err)
		}
	})
}
