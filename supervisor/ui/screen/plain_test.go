package screen

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// story is a stack that comes up with some trouble and goes down again, a second between the snapshots.
func story() []*state.Status {
	hold := &state.Hold{Kind: "dependency", For: "db", Reason: "waits for db to be ready"}
	unready := pod("db-0", "db", false, runs)
	unready.Status.Conditions = []corev1.PodCondition{{Type: corev1.ContainersReady, Status: corev1.ConditionTrue}, {Type: services.RightGate, Status: corev1.ConditionFalse, Message: "replication\n is not set up"}}
	going := pod("web-a", "web", true, runs)
	going.DeletionTimestamp = &metav1.Time{Time: time.Unix(0, 0)}
	going.DeletionGracePeriodSeconds = new(int64(30))
	build := func(st, step string, took time.Duration) []state.Build {
		return []state.Build{{Name: "web", State: st, Step: step, Took: took}}
	}
	starting := func(s *state.Status) *state.Status { s.Phase, s.Project = state.Starting, "shop"; return s }
	return []*state.Status{
		starting(&state.Status{Builds: build("running", "[1/2] FROM base", 0)}),
		starting(&state.Status{Builds: build("running", "[2/2] RUN make", 0), Workloads: []state.Workload{{Name: "db", Want: 1}, {Name: "web", Want: 1, Hold: hold}}}),
		starting(&state.Status{
			Builds:    build("done", "", 2345*time.Millisecond),
			Workloads: []state.Workload{{Name: "db", Want: 1, Have: 1}, {Name: "web", Want: 1, Hold: hold}},
			Pods:      []*corev1.Pod{pod("db-0", "db", false, creating)},
		}),
		starting(&state.Status{
			Builds:    build("done", "", 2345*time.Millisecond),
			Workloads: []state.Workload{{Name: "db", Want: 1, Have: 1}, {Name: "web", Want: 1, Hold: hold}},
			Pods:      []*corev1.Pod{unready}, Engine: "the Docker engine does not answer",
		}),
		{
			Project: "shop", Phase: state.Ready,
			Workloads: []state.Workload{
				{Name: "db", Want: 1, Have: 1, Ready: 1, Right: true},
				{Name: "web", Want: 1, Have: 1, Ready: 1, Right: true},
				{Name: "seed", Kind: "Job", Want: 1, Have: 1, Right: true},
			},
			Pods: []*corev1.Pod{pod("db-0", "db", true, runs), pod("web-a", "web", true, runs)}, Warnings: []string{"the rollout of web is stuck"},
		},
		{Project: "shop", Phase: state.Stopping, Workloads: []state.Workload{{Name: "db"}, {Name: "web"}}, Pods: []*corev1.Pod{pod("db-0", "db", true, runs), going}},
		{Project: "shop", Phase: state.Stopped, Workloads: []state.Workload{{Name: "db"}, {Name: "web"}}},
	}
}

// play shows the story with an event in the middle.
func play(p Progress) {
	for i, s := range story() {
		p.Show(s)
		p.Show(s) // the same again says nothing new
		if i == 3 {
			for n := range 3 {
				p.Event(state.Event{Kind: "Pod", Name: "db-0", Type: "Warning", Reason: "Unhealthy", Message: "Readiness probe failed:\n refused", Count: n + 1})
			}
			p.Event(state.Event{Kind: "Pod", Name: "db-0", Type: "Normal", Reason: "Pulled", Message: "image", Count: 1})
			p.Event(state.Event{Kind: "Pod", Name: "db-0", Type: "Warning", Reason: "BackOff", Message: "restarting", Count: 1})
		}
		time.Sleep(time.Second)
	}
	p.Close()
}

// TestPlainOneShotsAndProbes: a one-shot that runs was told as ready, and never as finished; its failure was told twice; a probe whose
// answers alternate filled the output.
func TestPlainOneShotsAndProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := New(&ui.Streams{Err: &out}, Options{EndsTold: true})
		hold := &state.Hold{Kind: "dependency", For: "migrate", Reason: "waits for migrate to complete"}
		show := func(phase corev1.PodPhase, right bool, hold *state.Hold) {
			one := pod("migrate-1", "migrate", true, runs)
			one.Status.Phase = phase
			if phase == corev1.PodFailed {
				one.Status.ContainerStatuses[0].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 3, Reason: "Error"}}
			}
			p.Show(&state.Status{Phase: state.Starting, Pods: []*corev1.Pod{one}, Workloads: []state.Workload{
				{Name: "migrate", Kind: "ComposeService", Want: 1, Have: 1, Ready: 1, Right: right}, {Name: "web", Want: 1, Right: hold == nil, Ready: 1, Hold: hold},
			}})
		}
		show(corev1.PodRunning, true, hold)
		show(corev1.PodSucceeded, true, nil)
		show(corev1.PodFailed, false, nil)
		p.Event(state.Event{Kind: "Pod", Name: "migrate-1", Type: "Warning", Reason: "Exited", Message: "Container migrate exited with code 3", Count: 1})
		for n := range 26 {
			p.Event(state.Event{Kind: "Pod", Name: "db-0", Type: "Warning", Reason: "Unhealthy", Message: fmt.Sprint("Readiness probe failed: ", n%2), Count: n + 1})
			time.Sleep(time.Second)
		}
		want := `
   0.0s  migrate: running
   0.0s  web: waits for migrate
   0.0s  migrate: finished
   0.0s  web: ready (1/1)
   0.0s  migrate: 1/1 ready
   2.0s  db-0: Unhealthy: Readiness probe failed: 0
  13.0s  db-0: Unhealthy: Readiness probe failed: 1
  24.0s  db-0: Unhealthy: Readiness probe failed: 0
`
		if got := "\n" + out.String(); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	})
}

func TestPlainProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		play(New(&ui.Streams{Err: &out}, Options{}))
		want := `
   0.0s  build web: running
   0.0s  build web: [1/2] FROM base
   1.0s  build web: [2/2] RUN make
   1.0s  web: waits for db
   2.0s  build web: done (2.3s)
   2.0s  db: 0/1 ready
   3.0s  the Docker engine does not answer
   3.0s  db-0: Unhealthy: Readiness probe failed: refused
   3.0s  db-0: BackOff: restarting
   4.0s  db: ready (1/1)
   4.0s  web: ready (1/1)
   4.0s  seed: finished
   4.0s  warning: the rollout of web is stuck
   5.0s  stopping web-a (grace 30s)
   6.0s  web-a is gone
`
		if got := "\n" + out.String(); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	})
}

// TestPlainProgressOfTrouble: trouble is told at once, what takes long after a while, and neither again and again.
func TestPlainProgressOfTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := New(&ui.Streams{Err: &out}, Options{})
		show := func(seconds int, now corev1.ContainerState) {
			for range seconds {
				p.Show(&state.Status{
					Phase: state.Starting, Workloads: []state.Workload{{Name: "db", Want: 1, Have: 1}, {Name: "idle", Want: 1}},
					Pods: []*corev1.Pod{pod("db-0", "db", false, now)},
				})
				time.Sleep(time.Second)
			}
		}
		show(8, creating)
		show(2, waits("CrashLoopBackOff"))
		show(2, runs)
		show(20, waits("CrashLoopBackOff"))
		p.Close()
		want := `
   0.0s  db: 0/1 ready
   6.0s  db: 0/1 ready, db-0 ContainerCreating
   8.0s  db: 0/1 ready, db-0 CrashLoopBackOff
  10.0s  db: 0/1 ready
  12.0s  db: 0/1 ready, db-0 CrashLoopBackOff
`
		if got := "\n" + out.String(); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	})
}

func TestQuietProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		play(New(&ui.Streams{Err: &out, ErrTTY: true}, Options{Quiet: true}))
		if out.Len() > 0 {
			t.Errorf("said %s", out.String())
		}
	})
}

func TestOneLine(t *testing.T) {
	if got := oneLine(" a\n\tb  c "); got != "a b c" {
		t.Errorf("%q", got)
	}
	if got := oneLine("x" + strings.Repeat("é", 400)); len(got) > 310 || !utf8.ValidString(got) || !strings.HasSuffix(got, "...") {
		t.Errorf("%q", got)
	}
}

// TestHoldOfItsOwn: a workload that waits for no other one, because somebody removed it, does not wait for itself.
func TestHoldOfItsOwn(t *testing.T) {
	var out bytes.Buffer
	p := New(&ui.Streams{Out: &out, Err: &out}, Options{})
	hold := &state.Hold{Kind: "stopped", For: "web", Reason: "was removed with `lyandev rm`"}
	p.Show(&state.Status{Phase: state.Ready, Workloads: []state.Workload{{Name: "web", Want: 1, Hold: hold}}})
	p.Close()
	if text := out.String(); !strings.Contains(text, "web: was removed with `lyandev rm`") {
		t.Errorf("it prints %q", text)
	}
}
