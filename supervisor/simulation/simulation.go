// Package simulation runs whole supervisors against a fake engine in virtual time, does to them what a seed draws (commands,
// faults, kills), and checks invariants after every step. One seed gives one run: a seed that fails fails again at the same
// step.
//
// Nothing of the product is replaced but the engine (enginefake), the agent's HTTP client, image builds and file watching.
// To add a fault or a command, add an Act to the lists in acts.go; to add an invariant, add to the lists in invariants.go.
package simulation

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"
)

// Scenario is what seeds draw from.
type Scenario struct {
	// Acts are what may be done during a run, each as often as its weight says. Steps is how many are done, Pause the mean
	// time between two, which a seed makes up to 50 times shorter.
	Acts  []Act
	Steps int
	Pause time.Duration
	// Invariants hold at any time.
	Invariants []Invariant
	// Settles bounds the virtual time from the end of all faults until the stack is ready.
	Settles time.Duration
}

// Act is one thing that may be done to a running stack: a command of a user, a fault, a kill.
type Act struct {
	Name   string
	Weight int
	// Draw chooses the details when the schedule is drawn. It returns how to print them, and what to do, which must not
	// block for long.
	Draw func(r *rand.Rand, w *World) (details string, do func())
}

// Default is the scenario of `make simulate`.
func Default() Scenario {
	return Scenario{
		Acts: append(Commands(), Faults()...), Steps: 14, Pause: 6 * time.Second,
		Invariants: Invariants(), Settles: 20 * time.Minute,
	}
}

// Result is what came of a run.
type Result struct {
	// Failure is the first invariant that did not hold and where, "" if all did.
	Failure string
	// Schedule is what was done, a line a step; Trace are all messages, actions and engine calls in order.
	Schedule, Trace []string
}

// step is an act at a time.
type step struct {
	at   time.Duration
	text string
	do   func()
}

// Run runs one seed and reports a failure with its schedule and the end of its trace. It must not run in parallel with
// another test: random numbers come from the seed for the whole process meanwhile.
func Run(t *testing.T, seed uint64, s Scenario) Result {
	t.Helper()
	r := Play(t, seed, s)
	if r.Failure != "" {
		t.Errorf("%s", r.report(seed))
	}
	return r
}

// Play is Run without the report.
func Play(t *testing.T, seed uint64, s Scenario) Result {
	t.Helper()
	var out Result
	t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
		cryptotest.SetGlobalRandom(t, seed)
		root := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, seed, s, root)
			w.play(s)
			out = Result{Failure: w.failure, Schedule: w.done, Trace: w.trace.lines()}
		})
	})
	return out
}

// tail is how much of the trace a report shows.
const tail = 50

func (r Result) report(seed uint64) string {
	trace := r.Trace[max(0, len(r.Trace)-tail):]
	return fmt.Sprintf("seed %d: %s\nreplay: go test ./supervisor/simulation -run TestSeeds -seed=%d -v\nschedule:\n  %s\nthe last of the trace:\n  %s",
		seed, r.Failure, seed, strings.Join(r.Schedule, "\n  "), strings.Join(trace, "\n  "))
}

// schedule draws the steps of a run.
func (w *World) schedule(s Scenario) []step {
	r := rand.New(rand.NewPCG(w.seed, 1))
	total := 0
	for _, a := range s.Acts {
		total += a.Weight
	}
	var out []step
	at := time.Duration(0)
	pace := []float64{0.02, 0.2, 1, 2}[r.IntN(4)] // faults come together in some runs, and one by one in others
	for range s.Steps {
		at += time.Duration(float64(s.Pause) * pace * r.ExpFloat64())
		n := r.IntN(total)
		for _, a := range s.Acts {
			if n -= a.Weight; n < 0 {
				details, do := a.Draw(r, w)
				out = append(out, step{at, strings.TrimSpace(a.Name + " " + details), do})
				break
			}
		}
	}
	return out
}

// play does a whole run: the first start, the steps, the end of all faults, the wait until the stack is ready, and the end.
func (w *World) play(s Scenario) {
	defer w.end()
	w.launch()
	w.command("apply", w.applies(w.stacks[0]))
	began := time.Now()
	for i, x := range w.schedule(s) {
		time.Sleep(time.Until(began.Add(x.at)))
		if w.failed() {
			return
		}
		w.begin(i, x)
		x.do()
	}
	time.Sleep(time.Duration(w.draw("rest").Int64N(int64(20 * time.Second))))
	w.heal()
	w.settle(s.Settles)
	w.cutStop(s.Settles)
	w.finish()
}
