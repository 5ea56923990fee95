// Package screen shows the progress of a stack: on a terminal as a picture that is kept up to date below everything else that is
// written, elsewhere as plain lines.
//
// View makes the picture, without a clock or a terminal; terminal brings it to the terminal.
package screen

import (
	"context"
	"io"
	"time"

	"github.com/lyandev/lyandev/supervisor/probe"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// Progress shows how a stack starts, what happens while it runs, and how it stops. Its methods can be called from any goroutine.
type Progress interface {
	// Show shows a state. States older than the last one are left out.
	Show(s *state.Status)
	// Event shows an event at once, if it is important.
	Event(e state.Event)
	// Note shows a line at once; Warn shows a warning, with quiet too.
	Note(text string)
	Warn(text string)
	// Happened shows something that happened at once.
	Happened(h Happening)
	// Logs returns the writer for the lines of the containers' logs, which go to Streams.Out. It can be used after Close.
	Logs() io.Writer
	// Settle ends the start: from now on a terminal shows only a status line, until the stack is stopped.
	Settle()
	// Close ends the output and restores the terminal. A second call does nothing.
	Close()
}

// Happening is something that happened to the stack.
type Happening struct {
	// Text is one line. More are lines that belong to it, such as the last ones of a log.
	Text string
	More []string
	// Style is the style of the text; "" for none.
	Style ui.Style
	// Edit is the edit that this is about, nil for none.
	Edit *Edit
}

// Options are the options of New.
type Options struct {
	// Quiet leaves out all but warnings.
	Quiet bool
	// Probes returns the latest answers of the probes, by pod. It is called every second while something is not ready. nil does without.
	Probes func(context.Context) (map[string][]probe.Answer, error)
	// Hint says in a few words what Ctrl-C does.
	Hint string
	// EndsTold: Happened tells each end of a container, so that the lines of the start leave them out.
	EndsTold bool
}

// New returns a live view if Err is a terminal that can move its cursor, else plain lines.
func New(st *ui.Streams, o Options) Progress {
	quiet := o.Quiet || st.Quiet
	if st.ErrTTY && !st.Dumb && !quiet {
		return newLive(st, o, time.Now)
	}
	p := newPlain(st, quiet)
	p.endsTold = o.EndsTold
	return p
}

// LogsTo is where the lines of logs go without a live view: on a terminal control characters are made visible, elsewhere a container's
// bytes are unchanged.
func LogsTo(st *ui.Streams) io.Writer {
	if st.OutTTY {
		return st.Out
	}
	return st.RawOut()
}
