package podnet

import (
	"strings"
	"testing"

	"github.com/lyandev/lyandev/supervisor/agent"
)

func TestConnectionsThatWaitAreTold(t *testing.T) {
	r := newRig(t, t.TempDir())
	for n, step := range []struct {
		instance string
		waited   int64
		want     string
		events   int
	}{
		{"a", 0, "", 0},
		{"a", 7, "7 more", 1},
		{"a", 9, "2 more", 1}, // it goes on: one event
		{"a", 9, "", 1},
		{"b", 3, "3 more", 2}, // another agent counts anew
		{"b", 3, "", 2},
	} {
		r.n.noteWaiting(agent.Health{Instance: step.instance, Limit: 64, Waited: step.waited})
		told := r.told()
		if got := r.n.Crowding(); (got == "") != (step.want == "") || !strings.Contains(got, step.want) || len(told) != step.events {
			t.Errorf("step %d: %q, events %q", n, got, told)
		}
	}
	if told := r.told(); told[0] != "Agent s Warning ConnectionLimit" {
		t.Errorf("events %q", told)
	}
}

// TestRunLooksForConnectionsThatWait while there is nothing to push, and tells the loop.
func TestRunLooksForConnectionsThatWait(t *testing.T) {
	onRig(t, func(r *rig) {
		r.pass(checkEvery)
		changes := r.changed()
		r.set(func() { r.waited = 5 })
		r.pass(checkEvery)
		if got := r.n.Crowding(); !strings.Contains(got, "5 more") || r.changed() == changes {
			t.Errorf("told is %q", got)
		}
	})
}
