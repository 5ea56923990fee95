package explain

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/state"
)

// TestWhyOfAPodThatRestartsAgainAndAgain: it was called right, whenever it was ready in that moment.
func TestWhyOfAPodThatRestartsAgainAndAgain(t *testing.T) {
	restarted := func(times int32, ago int) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			_, s := first(p)
			s.RestartCount = times
			s.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "Error", StartedAt: before(ago + 20), FinishedAt: before(ago)}
		}
	}
	liveness := []state.Event{
		unhealthy("web-0", "web", "Liveness probe failed: HTTP probe failed with statuscode: 404", 3),
		{Seq: 8, Kind: "Pod", Name: "web-0", Container: "web", Type: "Normal", Reason: "Killing", Message: "Container web failed liveness probe, will be restarted", Count: 2, First: before(50).Time, Last: before(6).Time},
	}
	for name, c := range map[string]struct {
		pod    *corev1.Pod
		events []state.Event
		want   string
	}{
		"killed for its liveness": {pod("web-0", "web", true, restarted(2, 5)), liveness, "container web of pod web-0 is ready now, but restarted 2 times in 60s; last: liveness failed (404)"},
		"exits by itself":         {pod("web-0", "web", true, restarted(4, 5)), nil, "restarted 4 times in 60s; last: exited with code 137"},
		"once":                    {pod("web-0", "web", true, restarted(1, 5)), nil, ""},
		"long ago":                {pod("web-0", "web", true, restarted(5, 700)), nil, ""},
	} {
		f := facts([]*corev1.Pod{c.pod}, workload("web", 1, 1, 1))
		f.Events, f.Snapshot.Phase = c.events, state.Ready
		for _, subject := range []string{"web", "web-0", ""} {
			a, err := Why(f, subject)
			text := a.Text(f.Now)
			if err != nil || a.Waits || !strings.Contains(text, c.want) || strings.Contains(text, "again and again") != (c.want != "") {
				t.Errorf("%s, why %q: %v: %s", name, subject, err, text)
			}
		}
	}
}
