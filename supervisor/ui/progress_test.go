package ui

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/state"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func pod(name, workload string, ready bool, states ...corev1.ContainerState) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{services.WorkloadLabel: workload}},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: of(states...)},
	}
	if ready {
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	}
	return p
}

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

func TestPlainProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		play(NewProgress(&Streams{Err: &out}, false))
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
   4.0s  seed: completed
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
		p := NewProgress(&Streams{Err: &out}, false)
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
		play(NewProgress(&Streams{Err: &out, ErrTTY: true}, true))
		if out.Len() > 0 {
			t.Errorf("said %s", out.String())
		}
	})
}

// screen plays escape codes on lines of text: what a person sees in the end.
func screen(t *testing.T, out string) []string {
	t.Helper()
	var lines []string
	row := 0
	for out != "" {
		switch {
		case strings.HasPrefix(out, "\x1b["):
			i := strings.IndexFunc(out[2:], func(r rune) bool { return r >= '@' }) + 2
			switch out[i] {
			case 'A':
				n := 0
				for _, c := range out[2:i] {
					n = n*10 + int(c-'0')
				}
				if row -= n; row < 0 {
					t.Fatal("above the top")
				}
			case 'J':
				lines = lines[:min(row, len(lines))]
			}
			out = out[i+1:]
		case out[0] == '\r':
			out = out[1:]
		default:
			line, rest, _ := strings.Cut(out, "\n")
			line = strings.ReplaceAll(line, "\x1b[0m", "")
			lines = append(lines[:row], line)
			row++
			out = rest
		}
	}
	return lines
}

func TestLiveProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		st := &Streams{Err: &out, ErrTTY: true}
		play(NewProgress(st, false))
		text := out.String()
		if !strings.HasPrefix(text, "\x1b[?25l") || !strings.HasSuffix(text, "\x1b[?25h") {
			t.Error("the cursor is not hidden, or not given back")
		}
		want := []string{
			"db-0: Unhealthy: Readiness probe failed: refused",
			"db-0: BackOff: restarting",
			"shop  stopped  7s",
			"✔ db   stopped",
			"✔ web  stopped",
		}
		if got := strings.Join(screen(t, text), "\n"); got != strings.Join(want, "\n") {
			t.Errorf("in the end:\n%s", got)
		}
		for _, part := range []string{"web  [2/2] RUN make ", "✔ web  built 2.3s", "· web  waits for db to be ready", "✔ seed  completed", "! the rollout of web is stuck", "web  1 to go, web-a is being stopped (grace 30s)"} {
			if !strings.Contains(text, part) {
				t.Errorf("never showed %q", part)
			}
		}
	})
}

// TestLinesAboveTheLiveProgress: what others write scrolls above the picture, whole, and does not disturb it.
func TestLinesAboveTheLiveProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := NewProgress(&Streams{Err: &out, ErrTTY: true}, false)
		p.Above(func() { out.WriteString("db-1 | early\n") })
		p.Show(&state.Status{Project: "shop", Phase: "starting", Workloads: []state.Workload{{Name: "db", Want: 1, Have: 1}}})
		time.Sleep(150 * time.Millisecond)
		p.Above(func() { out.WriteString("db-1 | one\ndb-1 | two\n") })
		time.Sleep(150 * time.Millisecond)
		p.Close()
		p.Above(func() { out.WriteString("db-1 | late\n") })
		want := []string{"db-1 | early", "db-1 | one", "db-1 | two", "shop  starting  300ms", "⠸ db  0/1 ready", "db-1 | late"}
		if got := screen(t, out.String()); strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("in the end:\n%s", strings.Join(got, "\n"))
		}
	})
}

func TestLiveProgressFitsTheTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := NewProgress(&Streams{Err: &out, ErrTTY: true, Color: true}, false)
		s := &state.Status{Project: "shop", Engine: strings.Repeat("long ", 50)}
		for range 100 {
			s.Workloads = append(s.Workloads, state.Workload{Name: strings.Repeat("w", 60), Right: true})
		}
		p.Show(s)
		time.Sleep(350 * time.Millisecond)
		p.Close()
		lines := screen(t, stripColors(out.String()))
		if len(lines) > 22 {
			t.Errorf("%d lines on a terminal of 24", len(lines))
		}
		for _, l := range lines {
			if n := len([]rune(l)); n > 79 {
				t.Errorf("%d columns: %s", n, l)
			}
		}
	})
}

func stripColors(s string) string {
	for _, c := range []Style{Bold, Dim, Red, Green, Yellow, Blue, Cyan, "0"} {
		s = strings.ReplaceAll(s, "\x1b["+string(c)+"m", "")
	}
	return s
}

func TestPaintAndSize(t *testing.T) {
	plain, coloured := &Streams{}, &Streams{Color: true}
	if plain.Paint(Red, "x") != "x" || coloured.Paint(Red, "x") != "\x1b[31mx\x1b[0m" || coloured.Paint(Red, "") != "" {
		t.Error("colours")
	}
	if c, r := plain.Size(); c != 80 || r != 24 {
		t.Errorf("%d by %d", c, r)
	}
	t.Setenv("NO_COLOR", "1")
	if st := System(); st.Color || st.Err == nil {
		t.Error("NO_COLOR is not honoured")
	}
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
	p := NewProgress(&Streams{Out: &out, Err: &out}, false)
	hold := &state.Hold{Kind: "stopped", For: "web", Reason: "was removed with `lyandev rm`"}
	p.Show(&state.Status{Phase: state.Ready, Workloads: []state.Workload{{Name: "web", Want: 1, Hold: hold}}})
	p.Close()
	if text := out.String(); !strings.Contains(text, "web: was removed with `lyandev rm`") {
		t.Errorf("it prints %q", text)
	}
}
