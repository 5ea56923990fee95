package explain

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/state"
)

func TestWhyText(t *testing.T) {
	waiting := held(workload("web", 1, 0, 0), "db",
		"waits for db to be ready (env DB_URL names Service db), which has pod db-0, whose container db is in CrashLoopBackOff")
	cases := []struct {
		name, about string
		facts       Facts
		want        string
	}{
		{
			"the chain down to a crash", "web",
			facts([]*corev1.Pod{pod("db-0", "db", false, crashing)}, workload("db", 1, 1, 0), waiting),
			`web waits for db to be ready (env DB_URL names Service db), for 45s.
  db has 0 of 1 pods ready
  pod db-0 is not ready, for 30s
  container db is in CrashLoopBackOff after 3 restarts: it exited with code 1: no space left on device, 12s ago
    next start in 28s, at 12:00:28
See: lyandev logs db-0
`,
		},
		{
			"without a name the cause comes first", "",
			facts([]*corev1.Pod{pod("db-0", "db", false, crashing)}, waiting, workload("db", 1, 1, 0)),
			`shop is starting, because container db is in CrashLoopBackOff after 3 restarts: it exited with code 1: no space left on device, 12s ago.
  web waits for db to be ready (env DB_URL names Service db), for 45s
  db has 0 of 1 pods ready
  pod db-0 is not ready, for 30s
  container db is in CrashLoopBackOff after 3 restarts: it exited with code 1: no space left on device, 12s ago
    next start in 28s, at 12:00:28
See: lyandev logs db-0
`,
		},
		{
			"a probe's last answer", "db-0",
			func() Facts {
				f := facts([]*corev1.Pod{pod("db-0", "db", false, unready)}, workload("db", 1, 1, 0))
				f.Events = []state.Event{
					unhealthy("db-0", "db", "Readiness probe failed: cannot connect\nsocket missing", 5),
					unhealthy("db-0", "other", "Readiness probe failed: not mine", 9),
					unhealthy("db-1", "db", "Readiness probe failed: not this pod", 9),
				}
				return f
			}(),
			`pod db-0 is not ready, for 30s.
  container db runs, but its readiness probe fails, for 30s
    last output of the probe exec ["true"] (2s ago):
      Readiness probe failed: cannot connect
      socket missing
See: lyandev logs db-0
`,
		},
		{
			"an operator that reports a problem", "db",
			facts([]*corev1.Pod{pod("db-0", "db", false, func(p *corev1.Pod) {
				p.Status.ContainerStatuses[0].Ready = true
				p.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: services.RightGate}}
				p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{
					Type: services.RightGate, Status: corev1.ConditionFalse, Reason: "Seeding", Message: "copying the master's data, 40 of 100 MB",
				})
			})}, workload("db", 1, 1, 0)),
			`db has 0 of 1 pods ready.
  pod db-0 passes its probes, but is not right yet: Seeding: copying the master's data, 40 of 100 MB, for 30s
See: lyandev describe db-0
`,
		},
		{
			"an init container", "db",
			facts([]*corev1.Pod{pod("db-0", "db", false, func(p *corev1.Pod) {
				p.Spec.InitContainers = []corev1.Container{{Name: "a"}, {Name: "b"}}
				p.Status.InitContainerStatuses = []corev1.ContainerStatus{
					{Name: "a", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}},
					{Name: "b", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: before(20)}}},
				}
			})}, workload("db", 1, 1, 0)),
			`db has 0 of 1 pods ready.
  pod db-0 is not ready, for 30s
  init container b (2 of 2) is still running, for 20s
See: lyandev logs db-0
`,
		},
		{
			"a pod that comes back after the engine waits for what its workload waits for", "web",
			facts([]*corev1.Pod{pod("db-0", "db", false, unready), pod("web-1", "web", false, func(p *corev1.Pod) {
				p.Status.ContainerStatuses[0].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{
					Reason: "Held", Message: "waits for db to be ready",
				}}
			})}, workload("db", 1, 1, 0), held(workload("web", 1, 1, 0), "db", "waits for db to be ready")),
			`web waits for db to be ready, for 45s.
  db has 0 of 1 pods ready
  pod db-0 is not ready, for 30s
  container db runs, but its readiness probe fails, for 30s
See: lyandev describe db-0
`,
		},
		{
			"an engine that does not answer comes before everything", "db",
			func() Facts {
				f := facts([]*corev1.Pod{pod("db-0", "db", true)}, workload("db", 1, 1, 1))
				f.Snapshot.Engine = "the Docker engine does not answer; what runs goes on"
				return f
			}(),
			"the Docker engine does not answer; what runs goes on.\n",
		},
		{
			"a pod that is being stopped", "db",
			facts([]*corev1.Pod{pod("db-0", "db", true), pod("db-1", "db", true, func(p *corev1.Pod) {
				at, grace := before(4), int64(30)
				p.DeletionTimestamp, p.DeletionGracePeriodSeconds = &at, &grace
			})}, workload("db", 1, 2, 1)),
			`db has 2 pods, wants 1: the others are still terminating.
  pod db-1 is being stopped (grace 30s), for 4s
See: lyandev describe db-1
`,
		},
		{
			"a rollout of which the new pod is not ready", "db",
			func() Facts {
				w := workload("db", 1, 2, 1)
				w.Updated = 1
				return facts([]*corev1.Pod{pod("db-a", "db", true), pod("db-b", "db", false)}, w)
			}(),
			`db is rolling out: it has 1 new pods of 1, and the old ones go on until these are ready.
  pod db-b is not ready, for 30s
  container db has just started, for 58s
See: lyandev describe db-b
`,
		},
		{
			"nothing", "db",
			facts([]*corev1.Pod{pod("db-0", "db", true)}, workload("db", 1, 1, 1)),
			"db is not waiting for anything: it is right, with 1 of 1 pods ready.\n",
		},
		{
			"a build that failed", "",
			func() Facts {
				f := facts(nil)
				f.Snapshot.Builds = []state.Build{{Name: "web", State: "failed", Error: "exit code 2"}}
				return f
			}(),
			"shop is starting, because image web failed to build: exit code 2.\n  image web failed to build: exit code 2\nSee: lyandev build\n",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			a, err := Why(c.facts, c.about)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, a.Text(now)); diff != "" {
				t.Error(diff)
			}
			if a.Waits != (len(a.Chain) > 0) {
				t.Errorf("waits is %v with a chain of %d", a.Waits, len(a.Chain))
			}
		})
	}
}

func TestWhyStartupAndLiveness(t *testing.T) {
	p := pod("db-0", "db", false, func(p *corev1.Pod) {
		c, s := first(p)
		c.StartupProbe, s.Started = &corev1.Probe{}, new(bool)
	})
	f := facts([]*corev1.Pod{p}, workload("db", 1, 1, 0))
	f.Events = []state.Event{unhealthy("db-0", "db", "Startup probe failed: not yet", 2)}
	a, err := Why(f, "db")
	if err != nil {
		t.Fatal(err)
	}
	if got := a.Chain[len(a.Chain)-1]; got.Answer != "Startup probe failed: not yet" || !strings.Contains(got.Text, "startup probe") {
		t.Errorf("cause: %+v", got)
	}
}

func TestWhyFailedPodIsNotStartedAgain(t *testing.T) {
	p := pod("job-1", "job", false, func(p *corev1.Pod) {
		_, s := first(p)
		p.Status.Phase = corev1.PodFailed
		s.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled", FinishedAt: before(3)}}
	})
	a, err := Why(facts([]*corev1.Pod{p}, workload("job", 1, 1, 0)), "job-1")
	if err != nil {
		t.Fatal(err)
	}
	if want := "pod job-1 has failed and will not be restarted, for 30s"; a.Summary != want {
		t.Errorf("summary %q, want %q", a.Summary, want)
	}
	if want := "exited with code 137 (OOMKilled)"; a.Chain[1].Text != want {
		t.Errorf("cause %q, want %q", a.Chain[1].Text, want)
	}
}

func TestWhyCycleOfHoldsEnds(t *testing.T) {
	f := facts(nil, held(workload("a", 1, 0, 0), "b", "waits for b to be ready"), held(workload("b", 1, 0, 0), "a", "waits for a to be ready"))
	a, err := Why(f, "a")
	if err != nil || len(a.Chain) != 2 {
		t.Errorf("chain %v, error %v", a.Chain, err)
	}
}

func TestWhyUnknownName(t *testing.T) {
	_, err := Why(facts([]*corev1.Pod{pod("db-0", "db", true)}, workload("db", 1, 1, 1)), "dbb")
	var unknown *UnknownError
	if !errors.As(err, &unknown) {
		t.Fatalf("error is %v", err)
	}
	if want := "cannot explain dbb: no service or pod has that name; known names: db, db-0"; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
}

func TestWhyOfStacks(t *testing.T) {
	ready := facts([]*corev1.Pod{pod("db-0", "db", true)}, workload("db", 1, 1, 1))
	ready.Snapshot.Phase = state.Ready
	operator := facts([]*corev1.Pod{pod("db-0", "db", true)}, workload("db", 1, 1, 1))
	operator.Snapshot.Operators = map[string]services.Verdict{"redis": {Message: "sentinels disagree"}}
	engine := facts(nil, workload("db", 1, 0, 0))
	engine.Snapshot.Engine = "the Docker engine does not answer; it is waited for"
	empty := facts(nil)
	empty.Snapshot.Message = "no stack has been applied yet"
	stopped := facts(nil)
	stopped.Snapshot.Phase = state.Stopped
	for _, c := range []struct {
		facts Facts
		waits bool
		want  string
	}{
		{ready, false, "nothing is waiting: shop is ready (workloads: 1)"},
		{operator, true, "shop is starting, because operator redis reports a problem: sentinels disagree"},
		{engine, true, "shop is starting, because the Docker engine does not answer; it is waited for"},
		{empty, true, "shop is starting: no stack has been applied yet"},
		{stopped, false, "nothing is running"},
	} {
		a, err := Why(c.facts, "")
		if err != nil || a.Waits != c.waits || a.Summary != c.want {
			t.Errorf("waits %v, %q (%v); want %v, %q", a.Waits, a.Summary, err, c.waits, c.want)
		}
	}
}

func TestWhyGivesAdvice(t *testing.T) {
	f := facts([]*corev1.Pod{pod("web-1", "web", true), pod("db-0", "db", true)}, workload("web", 1, 1, 1), workload("db", 1, 1, 1))
	f.Snapshot.Phase, f.Snapshot.Advice = state.Ready, []string{"web asks Sentinel: do this"}
	for about, want := range map[string]int{"": 1, "web": 1, "web-1": 1, "db": 0, "db-0": 0} {
		a, err := Why(f, about)
		if err != nil || len(a.Advice) != want || strings.Contains(a.Text(now), "Advice: web asks Sentinel: do this\n") != (want == 1) {
			t.Errorf("%q: %+v (%v)", about, a, err)
		}
	}
}

// TestWhyUnhealthy: the engine's health check and its last output are in every answer about the service and those that wait for it.
func TestWhyUnhealthy(t *testing.T) {
	db := pod("db-1", "db", false, func(p *corev1.Pod) {
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{
			Type: services.HealthCheck, Status: corev1.ConditionFalse, Reason: services.HealthUnhealthy, Message: "connection refused", LastTransitionTime: before(20),
		})
	})
	web := held(workload("web", 1, 0, 0), "db", "waits for db to become healthy; it is unhealthy: connection refused")
	f := facts([]*corev1.Pod{db}, workload("db", 1, 1, 0), web)
	for _, name := range []string{"db", "web", ""} {
		a, err := Why(f, name)
		if text := a.Text(now); err != nil || !strings.Contains(text, "container db is unhealthy: connection refused, for 20s") {
			t.Errorf("why %q: %v\n%s", name, err, text)
		}
	}
	if text := StatusOf(f).Text(Paint{}); !strings.Contains(text, "is unhealthy: connection refused") {
		t.Errorf("status:\n%s", text)
	}
	d, err := Pod(f, "db-1")
	if err != nil {
		t.Fatal(err)
	}
	if text := d.Text(f); !strings.Contains(text, "unhealthy: connection refused") {
		t.Errorf("describe:\n%s", text)
	}
}
