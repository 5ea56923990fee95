package screen

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/explain"
	"github.com/lyandev/lyandev/supervisor/probe"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

const (
	// frame is the time between two draws of a picture, settledFrame that of the status line, which has no moving parts but ages.
	frame        = 100 * time.Millisecond
	settledFrame = 500 * time.Millisecond
	// probesEvery is the time between two questions for the probes' answers.
	probesEvery = time.Second
	// keptEvents is how many events are kept to explain what is not ready.
	keptEvents = 500
)

// live keeps a picture up to date below what else is written.
type live struct {
	st   *ui.Streams
	opts Options
	now  func() time.Time

	mu    sync.Mutex
	view  View
	facts explain.Facts
	// stale: what the facts explain must be worked out again.
	stale, settled, stopping, closed bool
	term                             terminal
	// told are the messages of the events that were told. An unhealthy pod is in the picture.
	told map[string]string
	// above is what scrolls up above the picture at the next draw; logs is the beginning of a line that is not whole yet.
	above bytes.Buffer
	logs  []byte

	done    context.CancelFunc
	ended   sync.WaitGroup
	restore func()
}

func newLive(st *ui.Streams, o Options, now func() time.Time) *live {
	l := stillLive(st, o, now)
	l.restore = withoutEcho(st)
	l.hideCursor()
	ctx, done := context.WithCancel(context.Background())
	l.done = done
	l.ended.Go(func() { l.run(ctx) })
	if o.Probes != nil {
		l.ended.Go(func() { l.askProbes(ctx) })
	}
	return l
}

// stillLive is a live view that draws only when it is told to.
func stillLive(st *ui.Streams, o Options, now func() time.Time) *live {
	return &live{
		st: st, opts: o, now: now, term: terminal{st: st}, told: map[string]string{}, restore: func() {}, done: func() {},
		view: View{Streams: st, Began: now(), Hint: o.Hint},
	}
}

func (l *live) hideCursor() { _, _ = io.WriteString(l.st.Err, l.st.Sequence("?25l")) }

// run draws until ctx ends.
func (l *live) run(ctx context.Context) {
	t := time.NewTicker(frame)
	defer t.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			l.mu.Lock()
			if !l.settled || l.stopping || n%int(settledFrame/frame) == 0 {
				l.draw()
			}
			l.mu.Unlock()
		}
	}
}

// askProbes asks for the answers of probes while something is not ready.
func (l *live) askProbes(ctx context.Context) {
	t := time.NewTicker(probesEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		l.mu.Lock()
		ask := l.view.Status != nil && l.view.Status.Phase != state.Ready && !l.stopping
		l.mu.Unlock()
		if !ask {
			continue
		}
		if answers, err := l.opts.Probes(ctx); err == nil {
			l.setProbes(answers)
		}
	}
}

func (l *live) setProbes(answers map[string][]probe.Answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.facts.Probes, l.stale = answers, true
}

func (l *live) Show(s *state.Status) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if old := l.view.Status; old != nil && s.PID == old.PID && s.Seq < old.Seq {
		return
	}
	l.view.Status, l.facts.Snapshot, l.stale = s, s, true
	if l.view.stopping() && !l.stopping {
		l.stopping, l.view.Began, l.view.Hint = true, l.now(), ""
	}
}

func (l *live) Event(e state.Event) {
	l.mu.Lock()
	l.facts.Events = append(l.facts.Events, e)
	l.facts.Events = l.facts.Events[max(len(l.facts.Events)-keptEvents, 0):]
	l.stale = true
	key := fmt.Sprint(e.Kind, e.Name, e.Container, e.Reason)
	tell := !l.settled && e.Type == corev1.EventTypeWarning && e.Reason != "Unhealthy" && l.told[key] != e.Message
	if tell {
		l.told[key] = e.Message
	}
	l.mu.Unlock()
	if tell {
		l.scroll(ui.Yellow, e.Name+": "+e.Reason+": "+oneLine(e.Message))
	}
}

func (l *live) Note(text string) { l.scroll("", text) }

func (l *live) Warn(text string) { l.scroll(ui.Yellow, "warning: "+text) }

func (l *live) Happened(h Happening) {
	if h.Edit != nil {
		l.mu.Lock()
		l.view.Edit = h.Edit
		l.mu.Unlock()
	}
	l.scroll("", happened(l.st, h))
}

// scroll shows a text above the picture.
func (l *live) scroll(style ui.Style, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		b.WriteString(l.st.Paint(style, line) + "\n")
	}
	l.put(b.String())
}

// put writes whole lines above the picture.
func (l *live) put(text string) {
	if l.closed {
		_, _ = io.WriteString(l.st.Err, text)
		return
	}
	l.above.WriteString(text)
	l.draw()
}

// Logs implements Progress.
func (l *live) Logs() io.Writer {
	if l.st.OutTTY {
		return (*liveLogs)(l)
	}
	return LogsTo(l.st)
}

// liveLogs is the writer of a live view's Logs. It writes whole lines: what follows the last line break waits.
type liveLogs live

// Write implements io.Writer. It reports no errors: there is no other terminal to tell of them.
func (w *liveLogs) Write(p []byte) (int, error) {
	l := (*live)(w)
	l.mu.Lock()
	defer l.mu.Unlock()
	end := bytes.LastIndexByte(p, '\n') + 1
	if end > 0 {
		l.put(string(l.logs) + string(p[:end]))
		l.logs = l.logs[:0]
	}
	l.logs = append(l.logs, p[end:]...)
	return len(p), nil
}

func (l *live) Settle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settled = true
	l.draw()
}

// Close draws the final picture, or takes the status line away, and gives the cursor and the echo back.
func (l *live) Close() {
	l.done()
	l.ended.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	if l.settled && !l.stopping {
		l.term.draw(l.above.String(), nil, l.term.columns, l.term.rows)
		l.above.Reset()
	} else {
		l.draw()
	}
	l.term.leave()
	l.closed = true
	_, _ = io.WriteString(l.st.Err, l.st.Sequence("?25h"))
	l.restore()
}

// draw brings the terminal up to date. mu is held.
func (l *live) draw() {
	if l.closed {
		return
	}
	above := l.above.String()
	l.above.Reset()
	v := &l.view
	v.Columns, v.Rows = l.st.Size()
	v.Now = l.now()
	if v.Status == nil {
		l.term.draw(above, nil, v.Columns, v.Rows)
		return
	}
	if l.stale {
		l.facts.Now, l.stale = v.Now, false
		v.Chains = explain.Chains(l.facts)
	}
	lines := []string{}
	if l.settled && !l.stopping {
		lines = append(lines, v.StatusLine())
	} else {
		lines = v.Lines()
	}
	l.term.draw(above, lines, v.Columns, v.Rows)
}

// happened renders what happened for people: the text, then the lines that belong to it.
func happened(st *ui.Streams, h Happening) string {
	style := h.Style
	if style == "" {
		style = ui.Cyan
	}
	var b strings.Builder
	b.WriteString(st.Paint(style, "lyandev:") + " " + h.Text)
	for _, line := range h.More {
		b.WriteString("\n    " + st.Paint(ui.Dim, line))
	}
	return b.String()
}
