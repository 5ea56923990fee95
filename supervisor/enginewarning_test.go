package supervisor

import (
	"strings"
	"testing"
	"time"

	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
)

func TestTheEnginesWarningsAreToldOnce(t *testing.T) {
	warn := func(e *enginefake.Engine) {
		e.SetWarnings("Your kernel does not support memory limit capabilities. Limitation discarded.", " ")
	}
	onRig(t, prepared(t, deployment("web", 3)), func(r *rig) {
		told := func() (texts []string) {
			for _, e := range r.s.events.Since(0) {
				if e.Reason == "EngineWarning" {
					texts = append(texts, e.Type+" "+e.Name+" "+e.Message)
				}
			}
			return texts
		}
		if got := told(); len(got) != 0 {
			t.Fatalf("nothing was left out, and told is %q", got)
		}
		warn(r.Engine)
		if err := r.s.RestartWorkload(r.t.Context(), "web"); err != nil {
			t.Fatal(err)
		}
		r.pass(time.Minute)
		if got := told(); len(got) != 1 || !strings.HasPrefix(got[0], "Warning web-") || !strings.Contains(got[0], "memory limit") {
			t.Errorf("told is %q", got)
		}
	})
}
