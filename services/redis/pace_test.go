package redis

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// defaultPeriods are a started sentinel's.
func defaultPeriods() map[string]string {
	return map[string]string{infoPeriod: "10000", pingPeriod: "1000", askPeriod: "1000"}
}

// silentFor makes the master hang: the sentinels of m, x and y have waited for it for these times, in milliseconds.
func silentFor(m, x, y int) func(f *Facts) {
	return func(f *Facts) {
		f.down("m")
		f.server("m").Reason = "NoAnswer"
		for pod, ms := range map[string]int{"m": m, "x": x, "y": y} {
			f.watcher(pod).Silence = time.Duration(ms) * time.Millisecond
		}
	}
}

// TestPaces: the sentinels' periods follow what the master does. A hang first brings back the usual ping-period, by which a replica may
// be slow and is still promoted; shortly before the quorum considers the master down, INFO is sent once.
func TestPaces(t *testing.T) {
	const (
		calm = "hurry m/sentinel ping-period=1000; hurry x/sentinel ping-period=1000; hurry y/sentinel ping-period=1000"
		aim  = "align m/sentinel info-period=1 ping-period=1000; align x/sentinel info-period=1 ping-period=1000; " +
			"align y/sentinel info-period=1 ping-period=1000"
	)
	calmed := func(edit func(f *Facts)) func(f *Facts) {
		return func(f *Facts) {
			edit(f)
			for _, s := range f.Sentinels {
				s.Periods = map[string]string{infoPeriod: "1000", pingPeriod: "1000", askPeriod: "100"}
			}
		}
	}
	for _, c := range []struct {
		name, steps string
		edit        func(f *Facts)
	}{
		{"an answer is late", "", silentFor(900, 200, 0)},
		{"one sentinel gets no answer", calm, silentFor(1200, 0, 0)},
		{"none gets one", calm, silentFor(1200, 1300, 1100)},
		{"long before it is down", "", calmed(silentFor(4240, 4100, 4000))},
		{"shortly before a quorum considers it down", aim, calmed(silentFor(4500, 4350, 4000))},
		{"the same, and two do not answer", "", func(f *Facts) {
			calmed(silentFor(4500, 4350, 4000))(f)
			f.watcher("x").Reached, f.watcher("y").Reached = false, false
		}},
		{"too late", "", calmed(silentFor(4900, 4600, 4000))},
		{"done", "", func(f *Facts) { calmed(silentFor(4500, 4350, 4000))(f); f.Aligned = true }},
		{"the next look puts the period back", "hurry x/sentinel info-period=1000", func(f *Facts) {
			calmed(silentFor(4600, 4500, 4100))(f)
			f.Aligned, f.watcher("x").Periods[infoPeriod] = true, "1"
		}},
		{"down", "", func(f *Facts) {
			calmed(silentFor(5100, 5000, 4600))(f)
			f.watcher("m").Flags = []string{"master", "s_down", "o_down"}
		}},
		{"failed over", "hurry m/sentinel ping-period=300; hurry x/sentinel ping-period=300; hurry y/sentinel ping-period=300", calmed(func(f *Facts) {
			f.promoted("a")
		})},
		{"a sentinel was restarted during the hang", "hurry x/sentinel ask-period=100 info-period=1000", func(f *Facts) {
			calmed(silentFor(2000, 2000, 2000))(f)
			f.watcher("x").Periods = defaultPeriods()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.steps, steps(rightStack(c.edit))); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAgainBeforeDown: the operator looks at the moment when the sentinels are to be aligned.
func TestAgainBeforeDown(t *testing.T) {
	for silent, want := range map[int]time.Duration{
		2000: againWrong, 4150: 200 * time.Millisecond, 4349: settleShort, 4400: againWrong,
	} {
		t.Run(fmt.Sprint(silent), func(t *testing.T) {
			o := New()
			o.turn.Do(o.init)
			f := rightStack(silentFor(silent, silent, silent))
			if v := o.conclude(Judge(f), &round{facts: *f}, time.Now()); v.Again != want {
				t.Errorf("again after %s, want %s", v.Again, want)
			}
		})
	}
}

// TestSuccessor: a sentinel that is failing over and has seen the promotion counts for the successor, although it monitors the old
// master until all replicas follow. One such sentinel alone is no quorum.
func TestSuccessor(t *testing.T) {
	f := rightStack(func(f *Facts) {
		f.down("m")
		a, x := f.server("a"), f.watcher("x")
		a.Role, a.Follows = Master, Endpoint{}
		x.Flags, x.Successor = []string{"master", "o_down", "failover_in_progress"}, a.At
		f.watcher("m").Reached = false
	})
	if got := Judge(f).Facts[MasterFact]; got != "" {
		t.Errorf("one sentinel of three made %s the master", got)
	}
	f.watcher("y").Master = at("a")
	if got := Judge(f).Facts[MasterFact]; got != at("a").String() {
		t.Errorf("master %q, want that of two sentinels of three", got)
	}
}
