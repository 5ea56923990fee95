package supervisor

import (
	"strings"
	"testing"

	"github.com/lyandev/lyandev/supervisor/agent"
)

func TestConnectionsThatWaitAreTold(t *testing.T) {
	_, f, _ := agentOnFake(t)
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
		f.noteWaiting(agent.Health{Instance: step.instance, Limit: 64, Waited: step.waited})
		told := 0
		for _, e := range f.s.events.Since(0) {
			if e.Reason == "ConnectionLimit" {
				told += e.Count
			}
		}
		if got := f.crowding(); (got == "") != (step.want == "") || !strings.Contains(got, step.want) || told != step.events {
			t.Errorf("step %d: %q, %d events", n, got, told)
		}
	}
}
