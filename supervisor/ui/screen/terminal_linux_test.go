package screen

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
	"github.com/lyandev/lyandev/supervisor/ui/screen/screentest"
)

// drawn is a live view on a terminal whose clock the test sets.
func drawn(t *testing.T, columns, rows int) (x *screentest.Terminal, l *live, tick func()) {
	x = screentest.Open(t, columns, rows)
	clock := now
	st := (&ui.Streams{Out: x.Side, Err: x.Side, OutTTY: true, ErrTTY: true}).Protect()
	l = stillLive(st, Options{Hint: "Ctrl-C stops"}, func() time.Time { return clock })
	return x, l, func() {
		clock = clock.Add(frame)
		l.drawNow()
	}
}

// TestScrollbackIsClean: whatever the picture did, and however it grew and shrank on a full terminal, the scrollback holds the lines
// that were written above it, once each, and nothing else.
func TestScrollbackIsClean(t *testing.T) {
	for _, size := range sizes {
		x, l, tick := drawn(t, size[0], size[1])
		var want []string
		for i := range 200 {
			s := stack(40)
			for _, w := range s.Workloads[:(i*7)%40] {
				unready(s, w.Name)
			}
			l.Show(s)
			tick()
			tick()
			if i%3 == 0 {
				line := fmt.Sprintf("web-1 | line %d", i)
				want = append(want, line)
				_, _ = l.Logs().Write([]byte(line + "\n"))
			}
			if i == 150 {
				l.Settle()
			}
		}
		l.Close()
		x.Sync()
		got := append(x.Scrollback(), x.Screen()...)
		got = slices.DeleteFunc(got, func(line string) bool { return line == "" })
		if !slices.Equal(got, want) {
			t.Errorf("%v: the terminal holds:\n%s", size, strings.Join(got, "\n"))
		}
	}
}

// TestLongLines: lines that are wider than the terminal, exactly as wide, or that have tabs, do not disturb the picture.
func TestLongLines(t *testing.T) {
	x, l, tick := drawn(t, 60, 12)
	l.Show(stack(5))
	tick()
	for _, line := range []string{strings.Repeat("a", 60), strings.Repeat("b", 61), strings.Repeat("c", 180), "tab\ttab\ttab", strings.Repeat("世", 30), ""} {
		_, _ = l.Logs().Write([]byte(line + "\n"))
		tick()
	}
	x.Sync()
	want := []string{
		strings.Repeat("a", 60), strings.Repeat("b", 60), "b", strings.Repeat("c", 60), strings.Repeat("c", 60), strings.Repeat("c", 60),
		"tab     tab     tab", strings.Repeat("世", 30), "", "shop dev  starting  5 of 5 done or ready  0s  Ctrl-C stops", "✔ ready: db, cache, migrate, api, web",
	}
	got := append(x.Scrollback(), x.Screen()...)
	if !slices.Equal(got, want) {
		t.Errorf("the terminal holds:\n%s", strings.Join(got, "\n"))
	}
}

// TestResize: after the terminal's size has changed the picture is whole, once, and fits.
func TestResize(t *testing.T) {
	x, l, tick := drawn(t, 100, 30)
	s := stack(40)
	for _, w := range s.Workloads {
		unready(s, w.Name)
	}
	l.Show(s)
	_, _ = l.Logs().Write([]byte("web-1 | early\n"))
	tick()
	for _, size := range [][2]int{{60, 30}, {60, 40}, {120, 40}, {120, 50}, {80, 50}} {
		x.Resize(size[0], size[1])
		tick()
		_, _ = fmt.Fprintf(l.Logs(), "web-1 | at %v\n", size)
		tick()
		x.Sync()
		text := x.All()
		if n := strings.Count(text, "shop dev  starting"); n != 1 {
			t.Errorf("at %v there are %d pictures:\n%s", size, n, text)
		}
		if lines := x.Screen(); len(lines) > size[1] || !strings.Contains(text, fmt.Sprintf("web-1 | at %v", size)) {
			t.Errorf("at %v:\n%s", size, text)
		}
	}
	x.Resize(60, 12) // of a picture that was higher than the terminal is now, the rest has scrolled away
	tick()
	x.Sync()
	if n := strings.Count(strings.Join(x.Screen(), "\n"), "shop dev  starting"); n != 1 {
		t.Errorf("%d pictures:\n%s", n, strings.Join(x.Screen(), "\n"))
	}
}

// TestCloseRestores: the cursor and the echo are back after Close, the last picture of a stop stays, the status line goes.
func TestCloseRestores(t *testing.T) {
	x := screentest.Open(t, 80, 24)
	st := (&ui.Streams{In: x.Side, Out: x.Side, Err: x.Side, OutTTY: true, ErrTTY: true}).Protect()
	p := New(st, Options{})
	p.Show(stack(5))
	p.Settle()
	x.Sync()
	if !x.CursorHidden() || len(x.Screen()) != 1 {
		t.Errorf("settled, cursor hidden %v:\n%s", x.CursorHidden(), x.All())
	}
	p.Close()
	x.Sync()
	if x.CursorHidden() || len(x.Screen()) != 0 {
		t.Errorf("closed, cursor hidden %v:\n%s", x.CursorHidden(), x.All())
	}
	p = New(st, Options{})
	s := stack(5)
	s.Phase, s.Pods = state.Stopped, nil
	p.Show(s)
	p.Close()
	p.Note("afterwards")
	x.Sync()
	if got, want := x.All(), "shop dev  stopped  0s\n✔ stopped: db, cache, migrate, api, web\nafterwards"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
