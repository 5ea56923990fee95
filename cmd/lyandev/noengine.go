package main

import (
	"context"
	"fmt"
	"time"

	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// engineAway returns an error if the supervisor cannot carry out a command because the engine does not answer, else nil.
func engineAway(verb string, s *state.Status) error {
	if s == nil || s.Engine == "" {
		return nil
	}
	return withCode(exitNoEngine, fmt.Errorf("cannot %s %s: %s; start it (on Debian, as root: make engine) and run the command again",
		verb, s.Project, s.Engine))
}

// warnEngine prints a warning if the engine does not answer: the snapshot that the command prints is then out of date.
func warnEngine(st *ui.Streams, s *state.Status) {
	if s.Engine != "" {
		fmt.Fprintf(st.Err, "%s %s\n", st.Paint(ui.Red, "warning:"), s.Engine)
	}
}

// patienceWithEngine is how long a running command waits for an engine that has stopped answering.
const patienceWithEngine = 10 * time.Second

// engineLimit returns a context that is cancelled when the engine has not answered for patienceWithEngine, according to the
// snapshots passed to look. gone returns the snapshot that caused the cancellation, or nil.
func engineLimit(ctx context.Context) (limited context.Context, look func(*state.Status), gone func() *state.Status, end func()) {
	limited, cancel := context.WithCancel(ctx)
	last := make(chan *state.Status, 1)
	var timer *time.Timer
	look = func(s *state.Status) {
		switch {
		case s.Engine == "" && timer != nil:
			timer.Stop()
			timer = nil
		case s.Engine != "" && timer == nil:
			timer = time.AfterFunc(patienceWithEngine, func() {
				last <- s
				cancel()
			})
		}
	}
	gone = func() *state.Status {
		select {
		case s := <-last:
			return s
		default:
			return nil
		}
	}
	end = func() {
		if timer != nil {
			timer.Stop()
		}
		cancel()
	}
	return limited, look, gone, end
}
