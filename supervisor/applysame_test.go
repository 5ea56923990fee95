package supervisor

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/build"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
	"github.com/lyandev/lyandev/supervisor/state"
)

// callsOfSameApply are the engine's calls, within a second, of an apply that changes nothing of so many services.
func callsOfSameApply(t *testing.T, count int) (calls []enginefake.Call) {
	t.Helper()
	root := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		eng := enginefake.New()
		s := idleOn(t, root, eng)
		s.cfg.Builder = &build.Builder{}
		eng.AddImage("img:1", enginefake.Image{})
		run := make(chan error, 1)
		go func() { run <- s.Run(t.Context()) }()
		apply := func() {
			stack := &services.Stack{Name: "s"}
			for n := range count {
				stack.Workloads = append(stack.Workloads, plainService(t, fmt.Sprintf("web%d", n)))
			}
			if _, err := s.Apply(t.Context(), stack, ApplyOptions{NoBuild: true, NoWatch: true}); err != nil {
				t.Fatal(err)
			}
		}
		apply()
		time.Sleep(45 * time.Second) // the workers look every minute: not now
		if now := s.Store().Latest(); now.Phase != state.Ready || len(now.Pods) != count {
			t.Fatalf("%s with %d pods: %s", now.Phase, len(now.Pods), now.Message)
		}
		before := len(eng.Calls())
		apply()
		time.Sleep(time.Second)
		calls = eng.Calls()[before:]
		s.Stop()
		if err := <-run; err != nil {
			t.Error(err)
		}
	})
	return calls
}

// TestSameApplyAsksTheEngineLittle: an apply that changes nothing calls nothing that changes something, and asks a few questions and two for
// each service, whose worker looks at its container.
func TestSameApplyAsksTheEngineLittle(t *testing.T) {
	for _, count := range []int{1, 20} {
		calls := callsOfSameApply(t, count)
		if most := 6 + 2*count; len(calls) > most {
			t.Errorf("%d calls for %d services, at most %d are needed: %v", len(calls), count, most, calls)
		}
		for _, c := range calls {
			if !strings.HasPrefix(c.Method, "Inspect") && !strings.HasPrefix(c.Method, "List") && c.Method != "Ping" {
				t.Errorf("it called %s %s", c.Method, c.Object)
			}
		}
	}
}
