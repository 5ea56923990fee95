package screen

import (
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// hostile is what a container may say.
const hostile = "\x1b]0;owned\a\x1b[2J\u009b31m\rlyandev: all is well\b\x7f"

// own are the control sequences that a live view writes itself.
var own = regexp.MustCompile(`\x1b\[(\?25[lh]|1G|K|\d+[AB]|0?m)`)

func TestHostileContainers(t *testing.T) {
	p := pod("db-0", "db", false, waits("CreateContainerError"))
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse, Message: hostile}}
	s := &state.Status{
		Project: "shop", Phase: state.Starting, Engine: hostile, Warnings: []string{hostile}, Pods: []*corev1.Pod{p},
		Builds:    []state.Build{{Name: "web", State: "running", Step: hostile}},
		Workloads: []state.Workload{{Name: "db", Want: 1, Have: 1}, {Name: "web", Hold: &state.Hold{For: hostile, Reason: hostile}}},
	}
	event := state.Event{Kind: "Pod", Name: "db-0", Type: "Warning", Reason: "BackOff", Message: hostile, Count: 1}
	for _, tty := range []bool{false, true} {
		st, errs := protected()
		st.ErrTTY = tty
		p := New(st, Options{})
		p.Event(event)
		p.Show(s)
		p.Happened(Happening{Text: hostile, More: []string{hostile}, Edit: &Edit{Workload: hostile, Failed: true}})
		p.Settle()
		p.Close()
		text := errs.String()
		if tty != own.MatchString(text) {
			t.Errorf("on a terminal %v: our own sequences are wrong: %q", tty, text)
		}
		text = own.ReplaceAllString(text, "")
		if !strings.Contains(text, "all is well") {
			t.Errorf("it does not show the text: %q", text)
		}
		for _, r := range text {
			if unicode.IsControl(r) && r != '\n' && r != '\t' {
				t.Errorf("it writes %U: %q", r, text)
				break
			}
		}
	}
}

// TestNoTerminalNoSequences: a pipe and a dumb terminal get plain lines, without any control sequence.
func TestNoTerminalNoSequences(t *testing.T) {
	for name, change := range map[string]func(*ui.Streams){
		"a pipe":          func(st *ui.Streams) { st.ErrTTY, st.OutTTY = false, false },
		"a dumb terminal": func(st *ui.Streams) { st.Dumb = true },
	} {
		st, errs := protected()
		change(st)
		p := New(st, Options{Hint: "Ctrl-C stops"})
		p.Show(stack(5))
		_, _ = p.Logs().Write([]byte("web-1 | hello\n"))
		p.Settle()
		p.Show(stack(5)) // what goes on after the start is told by what happens
		p.Happened(Happening{Text: "api: 2 files synced, live in 0.2 s", More: []string{"more"}})
		p.Close()
		text := errs.String()
		if strings.Contains(text, "\x1b") || strings.Count(text, "db: ready (1/1)") != 1 {
			t.Errorf("%s gets %q", name, text)
		}
		if want := "web-1 | hello\nlyandev: api: 2 files synced, live in 0.2 s\n    more\n"; !strings.HasSuffix(text, want) {
			t.Errorf("%s gets %q at the end, want %q", name, text, want)
		}
	}
}

// TestLiveDrawsByItself: the picture follows the clock, writes nothing while nothing changes, and stops with Close.
func TestLiveDrawsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, errs := protected()
		p := New(st, Options{})
		written := func(again bool) string {
			l := p.(*live)
			l.mu.Lock()
			defer l.mu.Unlock()
			text := errs.String()
			if again {
				errs.Reset()
			}
			return text
		}
		s := stack(5)
		p.Show(s)
		time.Sleep(2100 * time.Millisecond)
		if text := written(false); !strings.Contains(text, "5 of 5 done or ready  2s") {
			t.Errorf("the clock stands still: %q", text)
		}
		p.Show(&state.Status{Project: "older", Seq: 0, PID: s.PID, Phase: state.Starting})
		p.Settle()
		time.Sleep(time.Second)
		written(true)
		time.Sleep(10 * time.Second)
		if text := written(false); strings.Count(text, "│") > 400 {
			t.Errorf("it goes on writing: %q", text)
		}
		p.Close()
		p.Close()
		n := errs.Len()
		time.Sleep(time.Second)
		if errs.Len() != n || !strings.HasSuffix(errs.String(), "\x1b[?25h") {
			t.Errorf("after Close: %q", errs.String())
		}
	})
}

func TestStatesOfTheSameSupervisorInOrder(t *testing.T) {
	st, _ := protected()
	l := stillLive(st, Options{}, func() time.Time { return now })
	l.Show(&state.Status{PID: 1, Seq: 5, Profile: "new"})
	l.Show(&state.Status{PID: 1, Seq: 4, Profile: "old"})
	if l.view.Status.Profile != "new" {
		t.Error("an older state is shown")
	}
	l.Show(&state.Status{PID: 2, Seq: 1, Profile: "next"}) // another supervisor counts anew
	if l.view.Status.Profile != "next" {
		t.Error("the next supervisor's state is not shown")
	}
}

func TestFit(t *testing.T) {
	items := func(text string) []item { // upper case comes last
		var out []item
		for _, f := range strings.Fields(text) {
			i := item{line: f, rank: rankBusy}
			if f == strings.ToUpper(f) {
				i.rank = rankWaiting
			}
			out = append(out, i)
		}
		return out
	}
	for _, c := range []struct {
		items string
		room  int
		want  string
	}{
		{"a b C", 3, "a b C"},
		{"A B c D", 3, "c A … and 2 more, waiting"},
		{"a b c d", 3, "a b … and 2 more"},
		{"a b", 1, "… and 2 more"},
		{"a b", 0, ""},
		{"", 3, ""},
	} {
		if got := strings.Join(fit(items(c.items), c.room), " "); got != c.want {
			t.Errorf("%q in %d: %q", c.items, c.room, got)
		}
	}
}

// TestEverySize: no picture is larger than its terminal, however small that is.
func TestEverySize(t *testing.T) {
	st, _ := protected()
	for _, n := range []int{0, 1, 5, 40} {
		s := stack(max(n, 5))
		s.Workloads = s.Workloads[:n]
		s.Engine, s.Warnings = "the Docker engine does not answer", []string{"one", "two"}
		for columns := 1; columns < 200; columns += 7 {
			for rows := 1; rows < 60; rows += 4 {
				v := View{Streams: st, Status: s, Began: now, Now: now, Columns: columns, Rows: rows, Hint: "Ctrl-C stops"}
				for _, lines := range [][]string{v.Lines(), {v.StatusLine()}} {
					if len(lines) > max(rows-1, 1) {
						t.Fatalf("%d lines on %dx%d", len(lines), columns, rows)
					}
					for _, line := range lines {
						if rowsOf(line, columns) > 1 || len([]rune(line)) >= max(columns, 2) {
							t.Fatalf("on %dx%d: %q", columns, rows, line)
						}
					}
				}
			}
		}
	}
}

func TestTook(t *testing.T) {
	for d, want := range map[time.Duration]string{
		40 * time.Millisecond: "40 ms", 210 * time.Millisecond: "0.2 s", 12340 * time.Millisecond: "12.3 s", 123 * time.Second: "2m3s",
	} {
		if got := Took(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}

func TestProbeAnswer(t *testing.T) {
	for text, want := range map[string]string{
		"Readiness probe failed: HTTP probe failed with statuscode: 503":                                    "HTTP probe failed with statuscode: 503",
		"Startup probe failed: dial tcp 10.0.0.3:80: connect: connection refused":                           "connection refused",
		`Liveness probe failed: Get "http://10.0.0.3:80/": dial tcp 10.0.0.3:80: connect: no route to host`: "no route to host",
		"Readiness probe errored: command timed out:\n two lines":                                           "command timed out: two lines",
	} {
		if got := probeAnswer(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
