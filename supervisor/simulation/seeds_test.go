package simulation

import (
	"flag"
	"slices"
	"testing"
)

var (
	seed  = flag.Uint64("seed", 0, "run this seed only")
	seeds = flag.Int("seeds", 30, "how many seeds to run, from 1")
)

// TestSeeds runs seeds and reports those that break an invariant.
func TestSeeds(t *testing.T) {
	if *seed != 0 {
		r := Run(t, *seed, Default())
		for _, line := range slices.Concat(r.Schedule, r.Trace) {
			t.Log(line)
		}
		return
	}
	count := *seeds
	if testing.Short() { // make race; make test runs them all
		count = min(count, 5)
	}
	for n := range count {
		Run(t, uint64(n+1), Default())
	}
}

// TestASeedReplays: the same seed gives the same messages, actions and engine calls at the same times.
func TestASeedReplays(t *testing.T) {
	if testing.Short() {
		t.Skip("make race runs with -short, and the race detector changes the order in which goroutines run; make test runs this")
	}
	for _, n := range []uint64{1, 2, 3} {
		a, b := Play(t, n, Default()), Play(t, n, Default())
		for i := range min(len(a.Trace), len(b.Trace)) {
			if a.Trace[i] != b.Trace[i] {
				t.Fatalf("seed %d: line %d is\n%s\nand then\n%s", n, i, a.Trace[i], b.Trace[i])
			}
		}
		if len(a.Trace) != len(b.Trace) {
			t.Errorf("seed %d: %d lines, and then %d", n, len(a.Trace), len(b.Trace))
		}
	}
}
