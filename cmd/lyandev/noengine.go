package main

import (
	"context"
	"fmt"
	"time"

	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// engineAway is the error of a command that the supervisor cannot carry out because its engine does not answer; nil if it
// does.
func engineAway(verb string, s *state.Snapshot) error {
	if s == nil || s.Engine == "" {
		return nil
	}
	return withCode(exitNoEngine, fmt.Errorf("cannot %s %s: %s; start it (on Debian as root: make engine), then run this again",
		verb, s.Project, s.Engine))
}

// warnEngine tells of an engine that does not answer beside what a command prints: that is of before.
func warnEngine(st *ui.Streams, s *state.Snapshot) {
	if s.Engine != "" {
		fmt.Fprintf(st.Err, "%s %s\n", st.Paint(ui.Red, "warning:"), s.Engine)
	}
}

// patienceWithEngine is how long a command that has begun waits for an engine that does not answer.
const patienceWithEngine = 10 * time.Second

// engineLimit ends ctx when the engine has not answered for patienceWithEngine, by the snapshots that look is shown. gone is
// the snapshot by which it was ended, nil if it was not.
func engineLimit(ctx context.Context) (limited context.Context, look func(*state.Snapshot), gone func() *state.Snapshot, end func()) {
	limited, cancel := context.WithCancel(ctx)
	last := make(chan *state.Snapshot, 1)
	var timer *time.Timer
	look = func(s *state.Snapshot) {
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
	gone = func() *state.Snapshot {
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
