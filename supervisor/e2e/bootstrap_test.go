package e2e_test

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/e2e/harness"
	known "github.com/lyandev/lyandev/supervisor/state"
)

// TestBootstrap: steps run in order in their pod until they pass; until then the pod is not ready, what depends on it waits,
// and `why` tells which step it is. They run again in a new container, but not for another supervisor.
func TestBootstrap(t *testing.T) {
	t.Parallel()
	i := harness.New(t, `
x-lyandev: {semantics: kubernetes}
services:
  db:
    image: debian:trixie-slim
    volumes: [./out:/out]
    command: [sleep, infinity]
    stop_grace_period: 0s
    x-lyandev:
      kind: StatefulSet
      bootstrap:
        - name: schema
          check: [test, -e, /tmp/schema]
          run: 'echo schema $$(date +%s.%N) >> /out/steps; test -e /out/allowed || { echo the disk is locked; exit 4; }; touch /tmp/schema'
        - name: once
          run: 'echo once $$(date +%s.%N) >> /out/steps'
          when: first-start
  app:
    image: debian:trixie-slim
    command: [sleep, infinity]
    stop_grace_period: 0s
    depends_on: {db: {condition: service_healthy}}
`)
	i.Begin()
	failed := i.UntilEvent(40*time.Second, "the step has failed twice", func(e known.Event) bool { return e.Reason == "BootstrapFailed" && e.Count >= 2 })
	if want := "Step schema: its run exited with code 4: the disk is locked"; failed.Name != "db-0" || failed.Message != want {
		t.Errorf("event %+v, want %q", failed, want)
	}
	s := i.Snapshot()
	w, _ := s.Workload("db")
	if w.Right || w.Hold == nil || w.Hold.Kind != "bootstrap" || podReady(s.Pod("db-0")) {
		t.Errorf("db: %+v, hold %+v", w, w.Hold)
	}
	if len(s.PodsOf("app")) != 0 {
		t.Error("app was started before db was right")
	}
	why := i.Run("why", "app")
	if why.Code != 3 || !strings.Contains(why.Out, "app waits for db to be ready") || !strings.Contains(why.Out, "db waits for its bootstrap: step schema") ||
		!strings.Contains(why.Out, "the disk is locked") {
		t.Errorf("why ended with %d:\n%s", why.Code, why.Out)
	}

	i.Write("out/allowed", "")
	i.Ready(60 * time.Second)
	list := marks(t, i, "steps")
	if got := words(list); !strings.HasSuffix(got, "schema once") || strings.Count(got, "once") != 1 {
		t.Errorf("ran: %s", got)
	}
	during(t, "the wait after the second failure", list[2].at.Sub(list[1].at), 2*time.Second, 12*time.Second)

	i.KillSupervisor()
	i.Up("--wait")
	if got := marks(t, i, "steps"); len(got) != len(list) {
		t.Errorf("another supervisor ran: %s", words(got[len(list):]))
	}
	if err := i.Engine().KillContainer(t.Context(), harness.ContainerID(i.Pod("db-0"), "db"), "SIGKILL"); err != nil {
		t.Fatal(err)
	}
	i.UntilPod(40*time.Second, "db-0", "is ready in a new container", func(p *corev1.Pod) bool {
		return podReady(p) && harness.Status(p, "db").RestartCount == 1
	})
	if got := words(marks(t, i, "steps")[len(list):]); got != "schema" {
		t.Errorf("ran in the new container: %s", got)
	}
}
