package screen

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/goldentest"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
	"github.com/lyandev/lyandev/supervisor/ui/screen/screentest"
)

// troubles are what a start can show: each changes a stack, and may tell the live view more.
var troubles = []struct {
	name string
	make func(s *state.Status, l *live)
}{
	{"blocked-chain", func(s *state.Status, l *live) {
		failingProbe(s, l)
		hold(s, "migrate", "db", 40)
		hold(s, "api", "migrate", 40)
		hold(s, "web", "api", 40)
		holdWorkers(s, "api")
	}},
	{"crash-loop", func(s *state.Status, _ *live) {
		_, c := unready(s, "api")
		c.RestartCount = 4
		c.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off 40s restarting failed container=api"}}
		c.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 3, Reason: "Error", FinishedAt: before(12)}
		hold(s, "web", "api", 55)
	}},
	{"edit-failed", func(s *state.Status, l *live) {
		s.Phase = state.Ready
		s.Warnings = []string{state.EditFailed("api") + "cannot build: exit code 1"}
		l.Happened(Happening{
			Text: "api: edit failed: cannot build image api: RUN pip install -r requirements.txt: exit code 1", Style: ui.Red,
			Edit: &Edit{Workload: "api", Took: 3200 * time.Millisecond, Failed: true},
		})
		l.Settle()
	}},
	{"engine-away", func(s *state.Status, _ *live) {
		s.Engine = "the Docker engine does not answer: dial unix /var/run/docker.sock: connect: connection refused"
		unready(s, "api")
	}},
	{"failed-build", func(s *state.Status, _ *live) {
		s.Builds = []state.Build{
			{Name: "api", Image: "shop-api", State: "failed", Started: before(20).Time, Error: "RUN npm ci: exit code 1\nnpm error code ERESOLVE"},
			{Name: "web", Image: "shop-web", State: "running", Step: "[3/7] RUN npm ci", Started: before(14).Time},
			{Name: "worker", Image: "shop-worker", State: "waiting"},
			{Name: "cache", Image: "shop-cache", State: "done", Took: 2300 * time.Millisecond},
		}
		for _, name := range []string{"api", "web"} {
			hold(s, name, name, 20)
			s.Workloads[len(s.Workloads)-1].Hold = nil
		}
		holdBuild(s, "api")
		holdBuild(s, "web")
	}},
	{"failed-one-shot", func(s *state.Status, _ *live) {
		p, c := unready(s, "migrate")
		p.Status.Phase = corev1.PodFailed
		c.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 3, Reason: "Error", FinishedAt: before(17)}}
		for i := range s.Workloads {
			if w := &s.Workloads[i]; w.Name == "migrate" {
				w.Kind, w.Failed = "Job", "it failed 3 times"
			}
		}
		hold(s, "api", "migrate", 50)
		hold(s, "web", "api", 50)
		holdWorkers(s, "migrate")
	}},
	{"failing-probe", func(s *state.Status, l *live) { failingProbe(s, l) }},
	{"missing-image", func(s *state.Status, _ *live) {
		p, c := unready(s, "api")
		p.Status.Phase = corev1.PodPending
		c.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "manifest for nowhere/api:1 not found: manifest unknown"}}
		hold(s, "web", "api", 20)
	}},
	{"pull-running", func(s *state.Status, _ *live) {
		s.Builds = []state.Build{
			{Name: "postgres:17", Pull: true, State: "running", Step: "43% of 152 MB", Started: before(8).Time},
			{Name: "redis:8", Pull: true, State: "done", Took: 5 * time.Second},
		}
		holdBuild(s, "db")
		hold(s, "api", "db", 8)
		hold(s, "web", "api", 8)
		s.Warnings = []string{"volume data was made by another version of postgres"}
	}},
	{"ready", func(s *state.Status, l *live) {
		s.Phase = state.Ready
		s.Warnings = []string{"a", "b"}
		l.Happened(Happening{Text: "api: 2 files synced, live in 0.2 s", Style: ui.Green, Edit: &Edit{Workload: "api", Took: 200 * time.Millisecond}})
		l.Settle()
	}},
	{"settled-crash-loop", func(s *state.Status, l *live) {
		s.Phase = state.Degraded
		_, c := unready(s, "api")
		c.RestartCount = 4
		c.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off 40s restarting failed container=api"}}
		c.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 3, Reason: "Error", FinishedAt: before(12)}
		l.Happened(Happening{Text: "api: api-1 exited with code 3; restarts in 40s (4 so far)", More: []string{"ERROR: column foo does not exist"}, Style: ui.Red})
		l.Settle()
	}},
	{"stopping", func(s *state.Status, _ *live) {
		s.Phase = state.Stopping
		s.Pods[0].DeletionTimestamp, s.Pods[0].DeletionGracePeriodSeconds = new(before(3)), new(int64(30))
		s.Pods = s.Pods[:2]
	}},
	{"preparing", func(s *state.Status, _ *live) { s.Workloads, s.Pods = nil, nil }},
	{"stopped-before", func(s *state.Status, _ *live) {
		for _, name := range []string{"db", "api"} { // a Ctrl-C stopped and kept them
			p, c := unready(s, name)
			p.Status.Phase, p.Status.Reason = corev1.PodFailed, services.ReasonStopped
			c.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 143, FinishedAt: before(90)}}
		}
	}},
	{"switching", func(s *state.Status, l *live) {
		s.Switch = &state.Switch{From: "dev", To: "full", Phase: state.SwitchGoing, Started: before(4).Time, Waiting: "waits for worker-07 to be ready"}
		unready(s, "api")
		l.Settle()
	}},
	{"unhealthy", func(s *state.Status, _ *live) {
		p, c := unready(s, "db")
		p.Labels[services.NumberLabel] = "1"
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{
			Type: services.HealthCheck, Status: corev1.ConditionFalse, Reason: services.HealthUnhealthy, Message: "pg_isready: no response", LastTransitionTime: before(21),
		})
		c.RestartCount = 0
		hold(s, "api", "db", 50)
		hold(s, "web", "api", 50)
	}},
}

// failingProbe makes the readiness probe of db fail.
func failingProbe(s *state.Status, l *live) {
	p, _ := unready(s, "db")
	p.Spec.Containers[0].ReadinessProbe = &corev1.Probe{}
	l.Event(state.Event{
		Seq: 7, Kind: "Pod", Name: "db-1", Container: "db", Type: "Warning", Reason: "Unhealthy",
		Message: "Readiness probe failed: dial tcp 10.240.1.2:5432: connect: connection refused", Count: 2, First: before(28).Time, Last: before(2).Time,
	})
}

// holdBuild makes a workload wait for its image.
func holdBuild(s *state.Status, name string) {
	hold(s, name, name, 20)
	for i := range s.Workloads {
		if w := &s.Workloads[i]; w.Name == name {
			w.Hold.Kind, w.Hold.Reason = "image", "waits for its image"
		}
	}
}

// sizes are those of the terminals.
var sizes = [][2]int{{60, 12}, {80, 24}, {160, 50}}

// TestGoldenScreens compares what a person sees with testdata/NAME.txt, in every size, with few services and with many. Before each
// picture another one was shown, and log lines came between.
func TestGoldenScreens(t *testing.T) {
	for _, trouble := range troubles {
		t.Run(trouble.name, func(t *testing.T) {
			var got strings.Builder
			for _, n := range []int{5, 40} {
				for _, size := range sizes {
					fmt.Fprintf(&got, "== %d services, %dx%d\n%s\n", n, size[0], size[1], strings.Join(shown(t, n, size, trouble.make), "\n"))
				}
			}
			goldentest.Compare(t, trouble.name+".txt", got.String())
		})
	}
}

// shown shows a stack that starts and then gets into trouble, and returns the screen.
func shown(t *testing.T, n int, size [2]int, trouble func(*state.Status, *live)) []string {
	t.Helper()
	x := screentest.Open(t, size[0], size[1])
	clock := now.Add(-time.Minute)
	st := (&ui.Streams{Out: x.Side, Err: x.Side, OutTTY: true, ErrTTY: true}).Protect()
	l := stillLive(st, Options{Hint: "Ctrl-C stops"}, func() time.Time { return clock })
	first := stack(n)
	for _, w := range first.Workloads {
		unready(first, w.Name)
	}
	l.Show(first)
	l.drawNow()
	clock = now
	if _, err := l.Logs().Write([]byte("cache-1 | \x1b")); err != nil { // a line comes in pieces
		t.Fatal(err)
	}
	_, _ = l.Logs().Write([]byte("\\ready to accept connections\n"))
	s := stack(n)
	trouble(s, l)
	l.Show(s)
	l.drawNow()
	x.Sync()
	lines := x.Screen()
	for _, line := range lines {
		if w := ansi.StringWidth(line); w > size[0] {
			t.Errorf("%d columns: %s", w, line)
		}
	}
	return lines
}

func (l *live) drawNow() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.draw()
}
