package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/ui"
	"github.com/lyandev/lyandev/supervisor/ui/screen"
)

func printWhereToLook(st *ui.Streams, t *target, began time.Time) {
	tellWhereToLook(st, t, began, func(line string) { fmt.Fprintln(st.Err, line) })
}

// tellWhereToLook says how long the start took, and the host ports and the advice of the stack, a line each.
func tellWhereToLook(st *ui.Streams, t *target, began time.Time, say func(line string)) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	s, err := t.client.State(ctx)
	if err != nil {
		return
	}
	word := "is " + string(s.Phase)
	if s.Profile != "" {
		word = "(" + s.Profile + ") " + word
	}
	say(fmt.Sprintf("%s %s after %s", st.Paint(ui.Bold, s.Project), word, time.Since(began).Round(100*time.Millisecond)))
	for _, h := range s.Bound {
		scheme := ""
		if h.Protocol != corev1.ProtocolUDP {
			scheme = "http://"
		}
		say("  " + scheme + hostPortLine(h))
	}
	for _, line := range append(deafPorts(ctx, t, s, time.Now()), s.Advice...) {
		say(st.Paint(ui.Yellow, "note:") + " " + line)
	}
}

// laterWriter writes to whatever was set last.
type laterWriter struct {
	mu sync.Mutex
	to io.Writer
}

func (w *laterWriter) set(to io.Writer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.to = to
}

// Write implements io.Writer.
func (w *laterWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	to := w.to
	w.mu.Unlock()
	return to.Write(p)
}

// noteWriter writes whole lines above the picture of a progress.
type noteWriter struct{ p screen.Progress }

// Write implements io.Writer.
func (w noteWriter) Write(p []byte) (int, error) {
	w.p.Note(strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}
