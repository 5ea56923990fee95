package ui

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/charmbracelet/x/ansi"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/state"
)

// frame is the time between two redraws.
const frame = 100 * time.Millisecond

// live shows one line per build and workload, redrawn in place.
type live struct {
	st    *Streams
	began time.Time

	mu   sync.Mutex
	snap *state.Status
	// closed is true after Close: nothing is drawn any more.
	closed bool
	// above are the lines that scroll up above the picture at the next draw.
	above []string
	drawn int
	tick  int
	done  chan struct{}
	ended sync.WaitGroup
}

func newLive(st *Streams) *live {
	l := &live{st: st, began: time.Now(), done: make(chan struct{})}
	fmt.Fprint(st.Err, st.sequence("?25l")) // hide the cursor
	l.ended.Go(l.run)
	return l
}

func (l *live) run() {
	t := time.NewTicker(frame)
	defer t.Stop()
	for {
		select {
		case <-l.done:
			return
		case <-t.C:
			l.mu.Lock()
			l.tick++
			l.draw()
			l.mu.Unlock()
		}
	}
}

func (l *live) Show(s *state.Status) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.snap = s
}

func (l *live) Event(e state.Event) {
	if e.Type != "Warning" || !worthTelling(e) {
		return
	}
	columns, _ := l.st.Size()
	l.scroll(Yellow, ansi.Truncate(fmt.Sprintf("%s: %s: %s", e.Name, e.Reason, oneLine(e.Message)), columns-1, "…"))
}

func (l *live) Note(text string) { l.scroll(Dim, text) }

func (l *live) Warn(text string) { l.scroll(Yellow, "warning: "+text) }

// scroll shows a text above the picture.
func (l *live) scroll(style Style, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.above = append(l.above, l.st.Paint(style, l.st.visible(text)))
}

// Close draws the final state and shows the cursor again.
func (l *live) Close() {
	close(l.done)
	l.ended.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.draw()
	l.closed = true
	fmt.Fprint(l.st.Err, l.st.sequence("?25h"))
}

// Above takes the picture away for what write writes, and draws it again.
func (l *live) Above(write func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		write()
		return
	}
	if l.drawn > 0 {
		fmt.Fprint(l.st.Err, l.erase())
		l.drawn = 0
	}
	write()
	l.draw()
}

// erase moves to where the picture begins and clears the screen from there.
func (l *live) erase() string {
	up := ""
	if l.drawn > 0 {
		up = l.st.sequence(fmt.Sprintf("%dA", l.drawn))
	}
	return up + l.st.sequence("1G") + l.st.sequence("J")
}

// draw overwrites the previous lines. Events and notes scroll up above them.
func (l *live) draw() {
	if l.snap == nil {
		return
	}
	columns, rows := l.st.Size()
	lines := l.picture(max(rows-2, 1))
	var b strings.Builder
	b.WriteString(l.erase())
	for _, line := range l.above {
		b.WriteString(line + "\n")
	}
	l.above = nil
	for _, line := range lines {
		b.WriteString(ansi.Truncate(l.st.visible(line), columns-1, "…") + "\n")
	}
	l.drawn = len(lines)
	fmt.Fprint(l.st.Err, b.String())
}

// item is a line of the picture. done: it needs no attention.
type item struct {
	text string
	done bool
}

// fit returns the lines of the items if there is room for them. Else those that are not done come first, and the last line counts
// the ones that are left out.
func fit(items []item, room int) []string {
	if len(items) > room {
		slices.SortStableFunc(items, func(a, b item) int {
			switch {
			case a.done == b.done:
				return 0
			case a.done:
				return 1
			}
			return -1
		})
		keep := max(room-1, 0)
		left := len(items) - keep
		text := fmt.Sprintf("... and %d more", left)
		if !slices.ContainsFunc(items[keep:], func(i item) bool { return !i.done }) {
			text += ", done or ready"
		}
		items = append(items[:keep:keep], item{text: text})
	}
	var lines []string
	for _, i := range items {
		lines = append(lines, i.text)
	}
	return lines
}

// picture returns at most rows lines: the head, then a line for each build, workload and warning.
func (l *live) picture(rows int) []string {
	s := l.snap
	head := fmt.Sprintf("%s %s", s.Project, s.Profile)
	lines := []string{l.st.Paint(Bold, strings.TrimSpace(head)) + l.st.Paint(Dim, fmt.Sprintf("  %s  %s", s.Phase, round(time.Since(l.began))))}
	if s.Engine != "" {
		lines = append(lines, l.st.Paint(Red, s.Engine))
	}
	return append(lines, fit(l.items(s), max(rows-len(lines), 1))...)
}

// items are the lines below the head.
func (l *live) items(s *state.Status) []item {
	var out []item
	stopping := s.Phase == state.Stopping || s.Phase == state.Stopped
	for _, b := range s.Builds {
		if !stopping {
			out = append(out, item{l.buildLine(b), b.State == "done" || b.State == "current"})
		}
	}
	width := 0
	for _, w := range s.Workloads {
		width = max(width, len(w.Shown()))
	}
	for _, w := range s.Workloads {
		if stopping {
			out = append(out, item{l.stopLine(s, w, width), len(toStop(s.PodsOf(w.Name))) == 0})
			continue
		}
		mark, style := l.spinner(), Cyan
		switch {
		case w.Right:
			mark, style = "✔", Green
		case w.Hold != nil:
			mark, style = "·", Dim
		}
		out = append(out, item{fmt.Sprintf("%s %-*s  %s", l.st.Paint(style, mark), width, w.Shown(), l.st.Paint(Dim, describe(s, w))), w.Right})
	}
	for _, w := range s.Warnings {
		out = append(out, item{text: l.st.Paint(Yellow, "! "+w)})
	}
	return out
}

func (l *live) buildLine(b state.Build) string {
	switch b.State {
	case "done", "current":
		text := "built"
		switch {
		case b.State == "current":
			text = "image is current"
		case b.Pull:
			text = "pulled"
		}
		return l.st.Paint(Green, "✔") + " " + b.Name + l.st.Paint(Dim, "  "+text+" "+round(b.Took))
	case "failed", "cancelled":
		return l.st.Paint(Red, "✘") + " " + b.Name + l.st.Paint(Red, "  "+buildVerb(b)+" "+b.State)
	}
	return l.st.Paint(Cyan, l.spinner()) + " " + b.Name + l.st.Paint(Dim, "  "+b.Step+" "+round(time.Since(b.Started)))
}

func (l *live) stopLine(s *state.Status, w state.Workload, width int) string {
	pods := toStop(s.PodsOf(w.Name))
	if len(pods) == 0 {
		return fmt.Sprintf("%s %-*s  %s", l.st.Paint(Green, "✔"), width, w.Shown(), l.st.Paint(Dim, "stopped"))
	}
	return fmt.Sprintf("%s %-*s  %s", l.st.Paint(Cyan, l.spinner()), width, w.Shown(), l.st.Paint(Dim, podsToGo(pods)))
}

// toStop are the pods that are being removed, or run: the containers of others that have ended may be kept.
func toStop(pods []*corev1.Pod) (out []*corev1.Pod) {
	for _, p := range pods {
		if p.DeletionTimestamp != nil || p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed {
			out = append(out, p)
		}
	}
	return out
}

// podsToGo describes the pods that are still to be removed.
func podsToGo(pods []*corev1.Pod) string {
	for _, p := range pods {
		if p.DeletionTimestamp != nil {
			return fmt.Sprintf("%d to go, %s is being stopped%s", len(pods), services.ShownPod(p), graceOf(p))
		}
	}
	return fmt.Sprintf("%d to go", len(pods))
}

func (l *live) spinner() string {
	frames := []string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}
	return frames[l.tick%len(frames)]
}
