package simulation

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// trace is everything that happened, in virtual time. Lines of the loop keep their order; others of one instant are in the
// order of their text, since goroutines that run at the same instant have none.
type trace struct {
	began time.Time

	mu   sync.Mutex
	list []line
}

type line struct {
	at   time.Duration
	loop bool
	text string
}

func (t *trace) add(loop bool, format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.list = append(t.list, line{time.Since(t.began), loop, fmt.Sprintf(format, args...)})
}

func (t *trace) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	slices.SortStableFunc(t.list, func(a, b line) int {
		if c := cmp.Compare(a.at, b.at); c != 0 {
			return c
		}
		switch {
		case a.loop && b.loop:
			return 0
		case a.loop:
			return -1
		case b.loop:
			return 1
		}
		return strings.Compare(a.text, b.text)
	})
	out := make([]string, 0, len(t.list))
	for _, l := range t.list {
		out = append(out, fmt.Sprintf("%13.9f %s", l.at.Seconds(), l.text))
	}
	return out
}

// handler writes a supervisor's log to the trace: what LYANDEV_DEBUG=1 shows.
type handler struct {
	*trace
	gen   int
	attrs string
	// dead is closed when the supervisor has been killed: what it says while it ends is of no interest.
	dead chan struct{}
}

// Enabled implements slog.Handler.
func (h handler) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (h handler) Handle(_ context.Context, r slog.Record) error {
	select {
	case <-h.dead:
		return nil
	default:
	}
	text := h.attrs
	r.Attrs(func(a slog.Attr) bool { text += " " + a.String(); return true })
	loop := r.Message == "message" || r.Message == "action" || r.Message == "delete pod"
	h.add(loop, "#%d %s %s%s", h.gen, r.Level, r.Message, text)
	return nil
}

// WithAttrs implements slog.Handler.
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		h.attrs += " " + a.String()
	}
	return h
}

// WithGroup implements slog.Handler.
func (h handler) WithGroup(string) slog.Handler { return h }
