package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/e2e/harness"
)

// present are the pods of a workload that are not ending, with those that are ready marked by "+" and the ending by "-".
func present(s *state, workload string) string {
	var out []string
	for _, p := range s.PodsOf(workload) {
		switch {
		case p.DeletionTimestamp != nil:
			out = append(out, p.Name+"-")
		case podReady(p):
			out = append(out, p.Name+"+")
		default:
			out = append(out, p.Name)
		}
	}
	return strings.Join(out, " ")
}

// history is how a workload's pods stood, each different look once.
func history(list []*state, workload string) []string {
	var out []string
	for _, s := range list {
		if now := present(s, workload); len(out) == 0 || out[len(out)-1] != now {
			out = append(out, now)
		}
	}
	return out
}

const statefulSet = `
x-lyandev: {semantics: kubernetes}
services:
  db:
    image: debian:trixie-slim
    command: [sh, -c, 'sleep 1; touch /tmp/up; exec sleep infinity']
    stop_grace_period: 0s
    environment: {VERSION: "%s"}
    deploy: {replicas: 3}
    x-lyandev:
      kind: StatefulSet
      probes:
        readiness: {exec: {command: [test, -e, /tmp/up]}, periodSeconds: 1, timeoutSeconds: 8}
`

// TestStatefulSetInOrder: pods start one after the other, each when the one before is ready; an update goes from the last to
// the first, and so does scaling down (R171 to R176).
func TestStatefulSetInOrder(t *testing.T) {
	t.Parallel()
	i := harness.New(t, fmt.Sprintf(statefulSet, "1"))
	i.Begin()
	recording := i.Record()
	i.Ready(90 * time.Second)
	for _, h := range history(recording.Stop(), "db") {
		if strings.Contains(h, "db-1") && !strings.HasPrefix(h, "db-0+") || strings.Contains(h, "db-2") && !strings.Contains(h, "db-1+") {
			t.Errorf("start: %s", h)
		}
	}

	recording = i.Record()
	i.Write("compose.yaml", fmt.Sprintf(statefulSet, "2"))
	i.Up("--wait")
	list := recording.Stop()
	var order []string
	for _, s := range list {
		missing := 0
		for _, name := range []string{"db-0", "db-1", "db-2"} {
			p := s.Pod(name)
			if p == nil || p.DeletionTimestamp != nil || !podReady(p) {
				missing++
			}
			if p != nil && p.DeletionTimestamp == nil && version(p) == "2" && !slices.Contains(order, name) {
				order = append(order, name)
			}
		}
		if missing > 1 {
			t.Errorf("update: %s", present(s, "db"))
		}
	}
	if got := strings.Join(order, " "); got != "db-2 db-1 db-0" {
		t.Errorf("updated in the order %s", got)
	}

	recording = i.Record()
	i.Must("scale", "--wait", "db=1")
	for _, h := range history(recording.Stop(), "db") {
		if strings.Contains(h, "db-1-") && strings.Contains(h, "db-2") || strings.Contains(h, "db-0-") {
			t.Errorf("scale down: %s", h)
		}
	}
	if got := present(i.Snapshot(), "db"); got != "db-0+" {
		t.Errorf("left: %s", got)
	}
	// The file's number counts again with the next up.
	i.Up("--wait")
	if got := present(i.Snapshot(), "db"); got != "db-0+ db-1+ db-2+" {
		t.Errorf("after another up: %s", got)
	}
}

func version(p *corev1.Pod) string {
	for _, e := range p.Spec.Containers[0].Env {
		if e.Name == "VERSION" {
			return e.Value
		}
	}
	return ""
}

const deployment = `
x-lyandev: {semantics: kubernetes}
services:
  web:
    image: debian:trixie-slim
    command: [sh, -c, 'sleep 1; touch /tmp/up; exec sleep infinity']
    stop_grace_period: 1s
    environment: {VERSION: "%s"}
    deploy: {replicas: 3}
    x-lyandev:
      kind: Deployment
      spec: {strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 25%%, maxUnavailable: 25%%}}}
      probes:
        readiness: {exec: {command: [test, -e, /tmp/up]}, periodSeconds: 1, timeoutSeconds: 8}
`

// TestDeploymentRolls: of three pods with 25% each way, one more is made (rounded up) and none may be missing (rounded down)
// while the pods are replaced (R181, R182).
func TestDeploymentRolls(t *testing.T) {
	t.Parallel()
	i := harness.New(t, fmt.Sprintf(deployment, "1"))
	i.Up("--wait")
	old := i.Snapshot().PodsOf("web")
	recording := i.Record()
	i.Write("compose.yaml", fmt.Sprintf(deployment, "2"))
	i.Up("--wait")
	i.Until(20*time.Second, "the old pods are gone", func(s *state) bool { return len(s.PodsOf("web")) == 3 })
	most := 0
	for _, s := range recording.Stop() {
		ready, there := 0, 0
		for _, p := range s.PodsOf("web") {
			if p.DeletionTimestamp != nil {
				continue
			}
			there++
			if podReady(p) {
				ready++
			}
		}
		most = max(most, there)
		if ready < 3 || there > 4 {
			t.Errorf("%d of %d pods are ready: %s", ready, there, present(s, "web"))
		}
	}
	if most != 4 {
		t.Errorf("at most %d pods were there, want 4", most)
	}
	for _, p := range i.Snapshot().PodsOf("web") {
		if version(p) != "2" || slices.ContainsFunc(old, func(o *corev1.Pod) bool { return o.UID == p.UID }) {
			t.Errorf("pod %s is of version %s", p.Name, version(p))
		}
	}
}

// TestScaleRefuses: wrong numbers, names and kinds change nothing.
func TestScaleRefuses(t *testing.T) {
	t.Parallel()
	i := harness.New(t, `
x-lyandev: {semantics: kubernetes}
services:
  web:
    image: debian:trixie-slim
    command: [sleep, infinity]
    stop_grace_period: 0s
  agent:
    image: debian:trixie-slim
    command: [sleep, infinity]
    stop_grace_period: 0s
    x-lyandev: {kind: DaemonSet}
`)
	i.Up("--wait")
	for _, c := range []struct {
		code int
		args []string
		want string
	}{
		{2, []string{"web=-1"}, "cannot scale web to -1: a service cannot have less than 0 pods"},
		{2, []string{"web"}, `cannot parse "web": it must be SERVICE=N`},
		{2, []string{}, "scale requires SERVICE=N"},
		{2, []string{"web=2", "nothing=1"}, `there is no service "nothing"; known: agent, web`},
		{1, []string{"web=2", "agent=2"}, "cannot scale agent: a DaemonSet has no replicas"},
	} {
		r := i.Run(append([]string{"scale"}, c.args...)...)
		if r.Code != c.code || !strings.Contains(r.Err, c.want) {
			t.Errorf("scale %v ended with %d: %s", c.args, r.Code, r.Err)
		}
	}
	if got := i.Snapshot().PodsOf("web"); len(got) != 1 {
		t.Errorf("web has %d pods", len(got))
	}
	i.Must("scale", "--wait", "web=2")
	i.KillSupervisor()
	i.Must("ps") // what runs can be told without one
	if got := i.Run("status"); got.Code == 0 {
		t.Errorf("status without a supervisor: %s", got.Out)
	}
}

// TestCronJobFires: a CronJob makes a Job in the next minute, whose pod runs to its end (R195 to R198).
func TestCronJobFires(t *testing.T) {
	t.Parallel()
	i := harness.New(t, `
x-lyandev: {semantics: kubernetes}
services:
  tick:
    image: debian:trixie-slim
    volumes: [./out:/out]
    command: [sh, -c, 'echo tick $$(date +%s.%N) >> /out/tick']
    x-lyandev: {kind: CronJob, schedule: "* * * * *"}
  keep:
    image: debian:trixie-slim
    command: [sleep, infinity]
    stop_grace_period: 0s
`)
	i.Up("--wait")
	began := time.Now()
	s := i.Until(100*time.Second, "a pod of tick has succeeded", func(s *state) bool {
		return slices.ContainsFunc(s.PodsOf("tick"), func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodSucceeded })
	})
	p := s.PodsOf("tick")[0]
	if len(p.OwnerReferences) != 1 || p.OwnerReferences[0].Kind != "Job" || p.Labels[services.WorkloadLabel] != "tick" {
		t.Errorf("pod %s is owned by %+v", p.Name, p.OwnerReferences)
	}
	at := marks(t, i, "tick")[0].at
	if at.Before(began) {
		t.Errorf("it ran at %s, before the stack was up at %s", at, began)
	}
	if late := at.Sub(at.Truncate(time.Minute)); late > 20*time.Second {
		t.Errorf("it ran %s after the minute", late)
	}
}
