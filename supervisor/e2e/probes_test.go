package e2e_test

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/e2e/harness"
	known "github.com/lyandev/lyandev/supervisor/state"
)

// TestLivenessFailureRestarts: a container that fails liveness failureThreshold times is asked to end, killed after the
// probe's own grace, which goes before the pod's, and started again, with the events and counts of a kubelet (R80 to R83).
func TestLivenessFailureRestarts(t *testing.T) {
	t.Parallel()
	i := harness.New(t, `
x-lyandev: {semantics: kubernetes}
services:
  app:
    image: debian:trixie-slim
    # It does not end when asked to.
    command: [sh, -c, 'trap "" TERM; touch /tmp/alive; (sleep 4; rm /tmp/alive) & while :; do sleep 0.2; done']
    stop_grace_period: 25s
    x-lyandev:
      kind: Pod
      timing: strict
      probes:
        liveness: {exec: {command: [test, -e, /tmp/alive]}, periodSeconds: 1, timeoutSeconds: 8, failureThreshold: 3, terminationGracePeriodSeconds: 2}
`)
	i.Up()
	p := i.UntilPod(60*time.Second, "app", "has been restarted", func(p *corev1.Pod) bool {
		s := harness.Status(p, "app")
		return s.RestartCount == 1 && s.State.Running != nil
	})
	last := harness.Status(p, "app").LastTerminationState.Terminated
	if last == nil || last.ExitCode != 137 {
		t.Fatalf("last state is %+v, want one that SIGKILL ended", last)
	}
	if _, n := events(i, "app", "Unhealthy", "Liveness probe failed"); n < 3 {
		t.Errorf("%d Unhealthy events, want 3 at least", n)
	}
	killing, n := events(i, "app", "Killing", "Container app failed liveness probe, will be restarted")
	if n != 1 {
		t.Fatalf("%d Killing events: %+v", n, i.Events("app"))
	}
	during(t, "the end after the kill began", last.FinishedAt.Sub(killing[0].First), 1*time.Second, 8*time.Second)
	if starts, n := events(i, "app", "Started", ""); n != 2 {
		t.Errorf("%d Started events: %+v", n, starts)
	}
	out := i.Must("describe", "app")
	for _, want := range []string{`exec ["test" "-e" "/tmp/alive"] delay=0s timeout=8s period=1s #success=1 #failure=3`, "Restart Count:", "Exit Code:"} {
		if !strings.Contains(out, want) {
			t.Errorf("describe does not say %q:\n%s", want, out)
		}
	}
}

// TestStartupGatesReadinessAndLiveness: until the startup probe succeeds the container is neither ready nor probed for
// liveness (R11, R14); then both begin.
func TestStartupGatesReadinessAndLiveness(t *testing.T) {
	t.Parallel()
	i := harness.New(t, `
x-lyandev: {semantics: kubernetes}
services:
  app:
    image: debian:trixie-slim
    volumes: [./out:/out]
    command: [sh, -c, 'sleep 5; echo up $$(date +%s.%N) >> /out/app; touch /tmp/up; exec sleep infinity']
    stop_grace_period: 0s
    x-lyandev:
      kind: Pod
      probes:
        startup: {exec: {command: [test, -e, /tmp/up]}, periodSeconds: 1, timeoutSeconds: 8, failureThreshold: 60}
        readiness: {exec: {command: ["true"]}, periodSeconds: 1, timeoutSeconds: 8}
        liveness: {exec: {command: ["false"]}, periodSeconds: 1, timeoutSeconds: 8, failureThreshold: 30}
`)
	i.Begin()
	recording := i.Record()
	i.UntilPod(60*time.Second, "app", "is ready", podReady)
	i.UntilEvent(30*time.Second, "liveness is probed", func(e known.Event) bool {
		return e.Name == "app" && strings.HasPrefix(e.Message, "Liveness probe failed")
	})
	up := marks(t, i, "app")[0].at
	for _, s := range recording.Stop() {
		p := s.Pod("app")
		if p == nil {
			continue
		}
		c := harness.Status(p, "app")
		if c.Ready && (c.Started == nil || !*c.Started) {
			t.Error("ready before it was started")
		}
		if (c.Ready || podReady(p)) && s.Time.Before(up) {
			t.Errorf("ready at %s, before it was up at %s", s.Time, up)
		}
	}
	list, _ := events(i, "app", "Unhealthy", "Liveness")
	if list[0].First.Before(up) {
		t.Errorf("liveness was probed at %s, before it was up at %s", list[0].First, up)
	}
	if _, n := events(i, "app", "Unhealthy", "Startup probe failed"); n == 0 {
		t.Error("no event tells of the startup probe's failures")
	}
}

// TestPreStopRunsInsideTheGrace: the hook runs before the stop signal and its time counts against the grace (R91, R94); one
// that does not end is ended with it, and the container has 2 s more for its signal (R95).
func TestPreStopRunsInsideTheGrace(t *testing.T) {
	t.Parallel()
	i := harness.New(t, `
x-app: &app
  image: debian:trixie-slim
  volumes: [./out:/out]
x-lyandev: {semantics: kubernetes}
services:
  quick:
    <<: *app
    command: [sh, -c, 'trap "echo term $$(date +%s.%N) >> /out/quick; exit 0" TERM; while :; do sleep 0.1; done']
    stop_grace_period: 20s
    x-lyandev:
      kind: Deployment
      lifecycle: {preStop: {exec: {command: [sh, -c, 'echo hook $$(date +%s.%N) >> /out/quick; sleep 2; echo hooked $$(date +%s.%N) >> /out/quick']}}}
  slow:
    <<: *app
    command: [sh, -c, 'trap "" TERM; while :; do sleep 0.1; done']
    stop_grace_period: 4s
    x-lyandev:
      kind: Deployment
      lifecycle: {preStop: {exec: {command: [sh, -c, 'echo hook $$(date +%s.%N) >> /out/slow; sleep 100; echo never $$(date +%s.%N) >> /out/slow']}}}
`)
	i.Up("--wait")
	began := time.Now()
	i.Must("scale", "quick=0", "slow=0")
	gone := map[string]time.Time{}
	i.Until(60*time.Second, "both are gone", func(s *state) bool {
		for _, name := range []string{"quick", "slow"} {
			if _, ok := gone[name]; !ok && len(s.PodsOf(name)) == 0 {
				gone[name] = time.Now()
			}
		}
		return len(gone) == 2
	})
	list := marks(t, i, "quick")
	if got := words(list); got != "hook hooked term" {
		t.Fatalf("quick: %s", got)
	}
	during(t, "the hook", list[1].at.Sub(list[0].at), 2*time.Second, 10*time.Second)
	during(t, "the stop of quick", gone["quick"].Sub(began), 2*time.Second, 15*time.Second)
	if got := words(marks(t, i, "slow")); got != "hook" {
		t.Errorf("slow: %s", got)
	}
	during(t, "the stop of slow", gone["slow"].Sub(began), 5*time.Second, 15*time.Second)
}
