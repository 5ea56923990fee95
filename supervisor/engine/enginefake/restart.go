package enginefake

import (
	"time"

	"github.com/lyandev/lyandev/supervisor/engine"
)

// ended is the end of a container that is not started again.
func (e *Engine) ended(c *container) {
	c.state = engine.StateExited
	c.release(engine.Ended{ExitCode: c.code}, engine.UntilStopped)
	if c.conf.remove {
		e.remove(c)
	}
}

// wantsRestart says whether the restart policy starts a container again that has ended.
func (c *container) wantsRestart() bool {
	switch c.conf.policy {
	case "always":
		return true
	case "unless-stopped":
		return !c.byHand
	case "on-failure":
		return c.code != 0 && (c.conf.tries == 0 || c.restarts < c.conf.tries)
	}
	return false
}

// Docker's back-off: the first wait, the longest, and how long a run must last for the next wait to be the first one again.
const (
	firstWait   = 100 * time.Millisecond
	longestWait = time.Minute
	lastingRun  = 10 * time.Second
)

// restart starts a container again after its back-off, unless a stop comes before; e.mu is held.
func (e *Engine) restart(c *container) {
	if c.exited.Sub(c.started) >= lastingRun {
		c.backoff = 0
	}
	c.backoff = min(max(2*c.backoff, firstWait), longestWait)
	c.restarts++
	c.state = engine.StateRestarting
	run := c.run
	time.AfterFunc(c.backoff, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if c.state != engine.StateRestarting || c.run != run {
			return
		}
		c.script = e.scriptFor(c)
		if e.start(c) != nil {
			e.ended(c)
		}
	})
}
