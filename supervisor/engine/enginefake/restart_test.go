package enginefake_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/google/go-cmp/cmp"

	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
)

// exactly makes and starts an exact container with a restart policy.
func exactly(t *testing.T, e *enginefake.Engine, name string, policy container.RestartPolicyMode, tries int) string {
	t.Helper()
	x := &engine.Exact{Host: container.HostConfig{NetworkMode: "none"}}
	x.Host.RestartPolicy = container.RestartPolicy{Name: policy, MaximumRetryCount: tries}
	id, err := e.CreateContainer(t.Context(), engine.ContainerSpec{Name: name, Image: "app", Exact: x})
	ok(t, err)
	ok(t, e.StartContainer(t.Context(), id))
	return id
}

// TestRestartBackoff: Docker waits 100 ms, then twice as long each time, a minute at most, and 100 ms again after a run of 10 s.
func TestRestartBackoff(t *testing.T) {
	bubble(t, func(t *testing.T, e *enginefake.Engine) {
		var mu sync.Mutex
		var starts []time.Time
		e.OnEach("app", func(start int, _ engine.ContainerSpec) enginefake.Script {
			mu.Lock()
			defer mu.Unlock()
			starts = append(starts, time.Now())
			if start == 12 {
				return enginefake.Script{Exit: &enginefake.Exit{After: 10 * time.Second, Code: 1}}
			}
			return enginefake.Script{Exit: &enginefake.Exit{Code: 1}}
		})
		id := exactly(t, e, "flaky", "always", 0)
		for enough := false; !enough; {
			time.Sleep(50 * time.Millisecond)
			mu.Lock()
			enough = len(starts) >= 15
			mu.Unlock()
		}
		mu.Lock()
		defer mu.Unlock()
		var waits []string
		for i := 1; i < len(starts); i++ {
			waits = append(waits, starts[i].Sub(starts[i-1]).String())
		}
		want := []string{
			"100ms", "200ms", "400ms", "800ms", "1.6s", "3.2s", "6.4s", "12.8s", "25.6s", "51.2s", "1m0s", "1m0s", "10.1s", "200ms",
		}
		if d := cmp.Diff(want, waits); d != "" {
			t.Error(d)
		}
		if c := inspect(t, e, id); c.RestartCount < 14 || !c.Restarting || c.State != engine.StateRestarting {
			t.Errorf("restarted %d times, %s", c.RestartCount, c.State)
		}
		ok(t, e.KillContainer(t.Context(), id, "SIGKILL")) // nothing runs, and nothing will
		time.Sleep(time.Hour)
		if c := inspect(t, e, id); c.State != engine.StateExited || c.ExitCode != 1 {
			t.Errorf("after a kill: %s, exit code %d", c.State, c.ExitCode)
		}
	})
}

// TestPoliciesAfterTheEngine: which containers run when the engine is back after it stopped them.
func TestPoliciesAfterTheEngine(t *testing.T) {
	bubble(t, func(t *testing.T, e *enginefake.Engine) {
		e.On("failed", enginefake.Script{Exit: &enginefake.Exit{After: time.Second, Code: 1}})
		for name, policy := range map[string]container.RestartPolicyMode{
			"no": "no", "always": "always", "always-stopped": "always", "unless": "unless-stopped", "unless-stopped": "unless-stopped",
			"on-failure": "on-failure", "failed": "no",
		} {
			exactly(t, e, name, policy, 0)
		}
		never, err := e.CreateContainer(t.Context(), engine.ContainerSpec{Name: "never-started", Image: "app", RestartPolicy: "always"})
		ok(t, err)
		for _, name := range []string{"always-stopped", "unless-stopped"} {
			ok(t, e.StopContainer(t.Context(), name, "", time.Second))
		}
		time.Sleep(2 * time.Second)
		e.Down()
		e.Up(true)
		var running []string
		for _, c := range e.Containers(nil) {
			if c.State == engine.StateRunning {
				running = append(running, c.Name)
				if c.RestartCount != 0 {
					t.Errorf("%s: %d restarts", c.Name, c.RestartCount)
				}
			}
		}
		slices.Sort(running)
		if d := cmp.Diff([]string{"always", "always-stopped", "unless"}, running); d != "" {
			t.Error(d)
		}
		if c := inspect(t, e, never); c.State != engine.StateCreated {
			t.Errorf("never started: %s", c.State)
		}
	})
}

// TestHealthInVirtualTime: a container without a script for its check becomes healthy at the first one, and anew after a restart.
func TestHealthInVirtualTime(t *testing.T) {
	bubble(t, func(t *testing.T, e *enginefake.Engine) {
		x := &engine.Exact{Config: container.Config{Healthcheck: &container.HealthConfig{Test: []string{"CMD", "true"}, Interval: 5 * time.Second, Retries: 4}}}
		x.Host.RestartPolicy.Name = "always"
		id, err := e.CreateContainer(t.Context(), engine.ContainerSpec{Name: "flaky", Image: "app", Exact: x})
		ok(t, err)
		ok(t, e.StartContainer(t.Context(), id))
		status := func(after time.Duration, want engine.Health) {
			t.Helper()
			time.Sleep(after)
			if h := inspect(t, e, id).Health; h == nil || *h != want {
				t.Errorf("%+v, want %+v", h, want)
			}
		}
		status(4999*time.Millisecond, engine.Health{Status: engine.HealthStarting})
		status(2*time.Millisecond, engine.Health{Status: engine.HealthHealthy})
		if !e.SetHealth("flaky", engine.HealthUnhealthy, "no answer") {
			t.Error("no health check")
		}
		status(0, engine.Health{Status: engine.HealthUnhealthy, FailingStreak: 4, LastOutput: "no answer", LastExitCode: 1})
		e.Exit("flaky", 1)
		status(101*time.Millisecond, engine.Health{Status: engine.HealthStarting})
		status(5*time.Second, engine.Health{Status: engine.HealthHealthy})
	})
}

// TestHealthOfTheImage: the check of the image counts, and NONE switches it off.
func TestHealthOfTheImage(t *testing.T) {
	bubble(t, func(t *testing.T, e *enginefake.Engine) {
		e.AddImage("checked", enginefake.Image{Healthcheck: true})
		for name, conf := range map[string]*container.HealthConfig{"own": nil, "off": {Test: []string{"NONE"}}} {
			id, err := e.CreateContainer(t.Context(), engine.ContainerSpec{
				Name: name, Image: "checked", Exact: &engine.Exact{Config: container.Config{Healthcheck: conf}},
			})
			ok(t, err)
			ok(t, e.StartContainer(t.Context(), id))
			if has := inspect(t, e, id).Health != nil; has != (name == "own") {
				t.Errorf("%s: has a check %v", name, has)
			}
		}
	})
}
