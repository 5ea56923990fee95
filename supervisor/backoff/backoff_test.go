package backoff_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lyandev/lyandev/supervisor/backoff"
)

var epoch = time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time {
	return epoch.Add(time.Duration(seconds * float64(time.Second)))
}

// waits lets something run again and again for the given times, starting it as soon as it may, and lists the waits.
func waits(c backoff.Config, runs ...float64) []float64 {
	t := backoff.New(c)
	now, out := epoch, []float64{}
	for _, r := range runs {
		exit := now.Add(time.Duration(r * float64(time.Second)))
		now = exit
		d := t.Attempt("k", exit, now)
		if !d.Start {
			now = d.Until
			if d = t.Attempt("k", exit, now); !d.Start {
				panic("Until was too early")
			}
		}
		out = append(out, now.Sub(exit).Seconds())
	}
	return out
}

func TestSequenceR71R73R75(t *testing.T) {
	tests := []struct {
		name   string
		config backoff.Config
		runs   []float64
		want   []float64
	}{
		{"R71 sequence", backoff.Config{}, []float64{1, 1, 1, 1, 1, 1, 1, 1}, []float64{0, 10, 20, 40, 80, 160, 300, 300}},
		{"R71 the wait counts from the exit", backoff.Config{}, []float64{1, 45, 45}, []float64{0, 10, 20}},
		{"R73 600 s is not enough", backoff.Config{}, []float64{1, 1, 600, 1}, []float64{0, 10, 20, 40}},
		{"R73 more than 600 s begins anew", backoff.Config{}, []float64{1, 1, 600.001, 1, 1}, []float64{0, 10, 0, 10, 20}},
		{"R75 reduced", backoff.Kubelet(true, 0), []float64{1, 1, 1, 1, 1, 1, 1, 1}, []float64{0, 1, 2, 4, 8, 16, 32, 60}},
		{"R75 cap 30 s", backoff.Kubelet(false, 30*time.Second), []float64{1, 1, 1, 1, 1}, []float64{0, 10, 20, 30, 30}},
		{"R75 cap below the first wait", backoff.Kubelet(false, time.Second), []float64{1, 1, 1}, []float64{0, 1, 1}},
		{"R75 reduced and capped higher", backoff.Kubelet(true, 90*time.Second), []float64{1, 1, 1, 1, 1, 1, 1, 1, 1}, []float64{0, 1, 2, 4, 8, 16, 32, 64, 90}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := waits(tt.config, tt.runs...)
			for i, w := range tt.want {
				if got[i] != w {
					t.Fatalf("wait %d is %v s, want %v (all: %v)", i, got[i], w, got)
				}
			}
		})
	}
}

func TestProbeKillsSeeTheExitBeforeR82(t *testing.T) {
	tr := backoff.New(backoff.Config{})
	// The first kill has no former exit and asks nothing. The second, at 60 s, sees the exit of the first kill at 30 s.
	if d := tr.Attempt("k", at(30), at(60)); !d.Start || d.Wait != 10*time.Second {
		t.Fatalf("second kill: %+v", d)
	}
	// Later kills every 30 s start at once as long as 30 s is not less than the wait.
	if d := tr.Attempt("k", at(60), at(90)); !d.Start || d.Wait != 20*time.Second {
		t.Fatalf("third kill: %+v", d)
	}
	if d := tr.Attempt("k", at(90), at(120)); !d.Start || d.Wait != 40*time.Second {
		t.Fatalf("fourth kill: %+v", d)
	}
	if d := tr.Attempt("k", at(120), at(150)); d.Start || !d.Until.Equal(at(160)) {
		t.Fatalf("fifth kill, seen with the exit before: %+v", d)
	}
	// It is dead now; the pod sync sees its own exit.
	if d := tr.Attempt("k", at(150), at(151)); d.Start || !d.Until.Equal(at(190)) {
		t.Fatalf("fifth kill, seen with its own exit: %+v", d)
	}
}

func TestKeysAreSeparateAndForgotten(t *testing.T) {
	tr := backoff.New(backoff.Config{})
	tr.Attempt("a", at(0), at(0))
	if d := tr.Attempt("b", at(1), at(1)); !d.Start {
		t.Fatalf("another key must not wait: %+v", d)
	}
	if d := tr.Peek("a", at(1), at(2)); d.Start || !d.Until.Equal(at(11)) {
		t.Fatalf("peek: %+v", d)
	}
	if _, ok := tr.Entry("a"); !ok || tr.Len() != 2 {
		t.Fatal("entry lost")
	}
	tr.Forget("a")
	if d := tr.Attempt("a", at(1), at(2)); !d.Start {
		t.Fatalf("forgotten key must not wait: %+v", d)
	}
}

func TestRestoredTrackerGoesOn(t *testing.T) {
	old := backoff.New(backoff.Config{})
	old.Attempt("k", at(0), at(0))
	old.Attempt("k", at(5), at(15))
	e, _ := old.Entry("k")
	next := backoff.New(backoff.Config{})
	next.Restore("k", e)
	if d := next.Attempt("k", at(20), at(21)); d.Start || !d.Until.Equal(at(40)) {
		t.Fatalf("%+v", d)
	}
}

func TestAttemptAgainCountsFromTheLastAttemptR62(t *testing.T) {
	tr := backoff.New(backoff.Config{})
	now, gaps := epoch, []float64{}
	tr.AttemptAgain("img", now)
	for range 7 {
		d := tr.AttemptAgain("img", now)
		if d.Start {
			t.Fatal("a repeated pull was not held")
		}
		gaps = append(gaps, d.Until.Sub(now).Seconds())
		now = d.Until
		if d = tr.AttemptAgain("img", now); !d.Start {
			t.Fatal("still held at Until")
		}
	}
	want := []float64{10, 20, 40, 80, 160, 300, 300}
	for i := range want {
		if gaps[i] != want[i] {
			t.Fatalf("gaps %v, want %v", gaps, want)
		}
	}
}

func TestPropertyR71(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := backoff.Kubelet(rapid.Bool().Draw(t, "reduced"), time.Duration(rapid.IntRange(0, 300).Draw(t, "max"))*time.Second)
		tr := backoff.New(c)
		now, last := epoch, time.Duration(0)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			run := time.Duration(rapid.IntRange(0, 700_000).Draw(t, "run")) * time.Millisecond
			exit := now.Add(run)
			now = exit.Add(time.Duration(rapid.IntRange(0, 400).Draw(t, "later")) * time.Second)
			before, known := tr.Entry("k")
			d := tr.Attempt("k", exit, now)
			if !d.Start {
				if !known || d.Until.Sub(exit) != last || !d.Until.After(now) {
					t.Fatalf("held until %v with wait %v (known %v)", d.Until.Sub(exit), last, known)
				}
				now = d.Until
				d = tr.Attempt("k", exit, now)
			}
			if !d.Start {
				t.Fatal("Until was too early")
			}
			fresh := !known || exit.Sub(before.Updated) > backoff.DefaultExpire
			if want := min(2*last, c.Max); !fresh && d.Wait != want {
				t.Fatalf("wait %v, want %v", d.Wait, want)
			}
			if fresh && d.Wait != c.Initial {
				t.Fatalf("wait %v, want the first one %v", d.Wait, c.Initial)
			}
			last = d.Wait
		}
	})
}
