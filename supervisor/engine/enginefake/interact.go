package enginefake

import (
	"context"
	"io"
	"strconv"

	"github.com/lyandev/lyandev/supervisor/engine"
)

// waiter is one call of Wait.
type waiter struct {
	until engine.WaitUntil
	out   chan engine.Ended
	// stop ends the watch of the caller's context.
	stop func() bool
}

// Wait implements engine.Containers.
func (e *Engine) Wait(ctx context.Context, id string, until engine.WaitUntil) (<-chan engine.Ended, error) {
	out := make(chan engine.Ended, 1)
	err := e.call(ctx, "Wait", id, func() error {
		c, err := e.need(id)
		if err != nil {
			return err
		}
		if until == engine.UntilStopped && !c.alive() && c.state != engine.StateRestarting {
			out <- engine.Ended{ExitCode: c.code}
			return nil
		}
		w := &waiter{until: until, out: out}
		w.stop = context.AfterFunc(ctx, func() {
			e.mu.Lock()
			defer e.mu.Unlock()
			if _, waits := c.waiters[w]; waits {
				delete(c.waiters, w)
				w.out <- engine.Ended{Err: wrap(ctx.Err(), "wait for container %s", short(id))}
			}
		})
		c.waiters[w] = struct{}{}
		return nil
	})
	if err != nil {
		return nil, wrap(err, "wait for container %s", short(id))
	}
	return out, nil
}

// release answers the callers of Wait who wait for one of the things; e.mu is held.
func (c *container) release(end engine.Ended, until ...engine.WaitUntil) {
	for w := range c.waiters {
		for _, u := range until {
			if w.until == u {
				w.stop()
				delete(c.waiters, w)
				w.out <- end
			}
		}
	}
}

// Attach implements engine.Containers. What is typed reaches nobody.
func (e *Engine) Attach(ctx context.Context, id string, o engine.AttachOptions) (func() error, error) {
	var c *container
	next := 0
	err := e.call(ctx, "Attach", id, func() error {
		var err error
		if c, err = e.need(id); err != nil {
			return err
		}
		if c.state == engine.StatePaused {
			return errConflict("container %s is paused, unpause the container before attach", c.id)
		}
		if !o.Logs {
			next = len(c.log)
		}
		return nil
	})
	if err != nil {
		return nil, wrap(err, "attach to container %s", short(id))
	}
	stdout, stderr := o.Stdout, o.Stderr
	if stdout == nil {
		stdout = io.Discard
	}
	if stderr == nil {
		stderr = io.Discard
	}
	return func() error {
		for e.waitsForStart(ctx, c) {
		}
		return e.copyLog(ctx, c, next, engine.LogOptions{Follow: true, StderrTo: stderr}, stdout, nil)
	}, nil
}

// waitsForStart blocks while a container has not been started yet, until something happens to it.
func (e *Engine) waitsForStart(ctx context.Context, c *container) bool {
	e.mu.Lock()
	created, changed, down := c.state == engine.StateCreated, c.printed, e.down
	e.mu.Unlock()
	if !created {
		return false
	}
	select {
	case <-changed:
		return true
	case <-ctx.Done():
	case <-down:
	}
	return false
}

// ResizeTTY implements engine.Containers.
func (e *Engine) ResizeTTY(ctx context.Context, id string, columns, rows uint) error {
	err := e.call(ctx, "ResizeTTY", id, func() error {
		c, err := e.need(id)
		if err == nil && !c.alive() {
			err = errConflict("Container %s is not running", c.id)
		}
		if err == nil {
			c.columns, c.rows = columns, rows
		}
		return err
	})
	return wrap(err, "resize the terminal of container %s", short(id))
}

// TTYSize is the size of a container's terminal as it was last set. For assertions.
func (e *Engine) TTYSize(ref string) (columns, rows uint) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.find(ref); c != nil {
		return c.columns, c.rows
	}
	return 0, 0
}

// Top implements engine.Containers: there is one process.
func (e *Engine) Top(ctx context.Context, id string, _ []string) (engine.Processes, error) {
	var out engine.Processes
	err := e.call(ctx, "Top", id, func() error {
		c, err := e.need(id)
		if err == nil && !c.alive() {
			err = errConflict("Container %s is not running", c.id)
		}
		if err == nil {
			out = engine.Processes{
				Titles: []string{"UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"},
				Rows:   [][]string{{"root", strconv.Itoa(c.pid), "1", "0", "00:00", "?", "00:00:00", c.name}},
			}
		}
		return err
	})
	return out, wrap(err, "list the processes of container %s", short(id))
}

// Stats implements engine.Containers. It answers what SetStats set.
func (e *Engine) Stats(ctx context.Context, id string) (engine.Stats, error) {
	var out engine.Stats
	err := e.call(ctx, "Stats", id, func() error {
		c, err := e.need(id)
		if err == nil && c.alive() {
			out = c.stats
		}
		return err
	})
	return out, wrap(err, "measure container %s", short(id))
}

// SetStats sets what a container uses while it runs. It reports whether there is such a container.
func (e *Engine) SetStats(ref string, s engine.Stats) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.find(ref)
	if c != nil {
		c.stats = s
	}
	return c != nil
}
