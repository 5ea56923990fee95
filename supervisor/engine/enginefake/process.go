package enginefake

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"github.com/lyandev/lyandev/supervisor/engine"
)

// StartContainer implements engine.Containers.
func (e *Engine) StartContainer(ctx context.Context, id string) error {
	var takes time.Duration
	err := e.call(ctx, "StartContainer", id, func() error {
		c, err := e.need(id)
		if err == nil && !c.alive() {
			c.script = e.scriptFor(c)
			takes = c.script.StartTakes
		}
		return err
	})
	if err == nil {
		err = Delay(takes)(ctx, Call{})
	}
	if err == nil {
		e.mu.Lock()
		defer e.mu.Unlock()
		err = e.startAgain(id)
	}
	return wrap(err, "start container %s", short(id))
}

func (e *Engine) startAgain(id string) error {
	if e.isDown {
		return errUnavailable("Cannot connect to the Docker daemon")
	}
	c, err := e.need(id)
	if err != nil {
		return err
	}
	switch c.state {
	case engine.StateRunning, engine.StateRestarting:
		return nil
	case engine.StatePaused:
		return errConflict("cannot start a paused container, try unpause instead")
	}
	c.byHand, c.restarts, c.backoff = false, 0, 0
	return e.start(c)
}

// start begins a run with the script chosen before; e.mu is held.
func (e *Engine) start(c *container) error {
	if err := e.attach(c); err != nil {
		e.detach(c)
		c.code, c.err = 128, strings.TrimPrefix(err.Error(), "Error response from daemon: ")
		return err
	}
	if text := c.script.StartError; text != "" {
		e.detach(c)
		c.code, c.err = 127, text
		return errInvalid("%s", text)
	}
	e.nextPID++
	c.run++
	c.state, c.started, c.code, c.err, c.oom, c.pid = engine.StateRunning, time.Now(), 0, "", false, e.nextPID
	c.gone, c.pending = make(chan struct{}), nil
	e.emit(c, "start")
	c.notify()
	e.watchHealth(c)
	c.unprinted = c.script.Output
	for _, o := range c.script.Output {
		e.after(c, o.After, c.printDue)
	}
	if x := c.script.Exit; x != nil {
		e.after(c, x.After, func() { e.exit(c, *x) })
	}
	return nil
}

// after does something later in the container's present run, now if d is 0; e.mu is held, then and now.
func (e *Engine) after(c *container, d time.Duration, do func()) {
	if d <= 0 {
		do()
		return
	}
	run := c.run
	time.AfterFunc(d, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if c.run != run || !c.alive() {
			return
		}
		if c.state == engine.StatePaused { // a frozen process goes on where it was
			before := c.pending
			c.pending = func() {
				if before != nil {
					before()
				}
				do()
			}
			return
		}
		do()
	})
}

// exit ends the present run; e.mu is held.
func (e *Engine) exit(c *container, x Exit) {
	if !c.alive() {
		return
	}
	c.printDue()
	if x.OOM {
		c.oom, x.Code = true, 137
		e.emit(c, "oom")
	}
	c.state, c.exited, c.code, c.pid, c.pending = engine.StateExited, time.Now(), x.Code, 0, nil
	e.detach(c)
	close(c.gone)
	c.notify()
	if c.health != nil { // nobody checks any more; Docker says so without an event
		h := *c.health
		h.Status = engine.HealthUnhealthy
		c.health = &h
	}
	e.emit(c, "die")
	c.release(engine.Ended{ExitCode: c.code}, engine.UntilNextExit)
	if !c.byHand && c.wantsRestart() {
		e.restart(c)
		return
	}
	e.ended(c)
}

// StopContainer implements engine.Containers.
func (e *Engine) StopContainer(ctx context.Context, id, signal string, grace time.Duration) error {
	var c *container
	var gone chan struct{}
	err := e.call(ctx, "StopContainer", id, func() error {
		if c = e.find(id); c == nil {
			return nil
		}
		c.byHand = true
		if c.state == engine.StateRestarting {
			e.ended(c)
		}
		if grace < 0 {
			grace = c.conf.grace
		}
		if c.alive() {
			gone = c.gone
			e.kill(c, e.stopSignal(c, signal))
		}
		return nil
	})
	if err != nil || gone == nil {
		return wrap(err, "stop container %s", short(id))
	}
	t := time.NewTimer(grace)
	defer t.Stop()
	e.mu.Lock()
	down := e.down
	e.mu.Unlock()
	select {
	case <-gone:
		return nil
	case <-ctx.Done(): // Docker goes on by itself
		return wrap(ctx.Err(), "stop container %s", short(id))
	case <-down:
		return wrap(errUnavailable("unexpected EOF"), "stop container %s", short(id))
	case <-t.C:
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.gone == gone && c.alive() {
		e.kill(c, "SIGKILL")
	}
	return nil
}

func (e *Engine) stopSignal(c *container, signal string) string {
	if signal == "" {
		signal = c.conf.stopSignal
	}
	if img := e.findImage(c.imageID); signal == "" && img != nil {
		signal = img.StopSignal
	}
	if signal == "" {
		signal = "SIGTERM"
	}
	return signal
}

// KillContainer implements engine.Containers.
func (e *Engine) KillContainer(ctx context.Context, id, signal string) error {
	err := e.call(ctx, "KillContainer", id, func() error {
		c := e.find(id)
		if c == nil || !c.alive() && c.state != engine.StateRestarting {
			return nil
		}
		if _, ok := signals[name(signal)]; !ok {
			return errInvalid("Invalid signal: %s", signal)
		}
		c.byHand = true
		e.kill(c, signal)
		if c.state == engine.StateRestarting {
			e.ended(c)
		}
		return nil
	})
	return wrap(err, "send %s to container %s", signal, short(id))
}

var signals = map[string]int{"HUP": 1, "INT": 2, "QUIT": 3, "KILL": 9, "USR1": 10, "USR2": 12, "TERM": 15, "WINCH": 28}

func name(signal string) string { return strings.TrimPrefix(strings.ToUpper(signal), "SIG") }

// kill says in the events that somebody sent a signal, and delivers it.
func (e *Engine) kill(c *container, signal string) {
	c.signal = signals[name(signal)]
	e.emit(c, "kill")
	e.signal(c, signal)
}

// signal delivers one signal; a paused container goes on with it. e.mu is held.
func (e *Engine) signal(c *container, signal string) {
	e.unpause(c)
	number := signals[name(signal)]
	switch {
	case number == 9:
		e.exit(c, Exit{Code: 137})
	case c.script.IgnoreStop:
	case c.script.OnStop != nil && stops(c, e, name(signal)):
		x := *c.script.OnStop
		e.after(c, x.After, func() { e.exit(c, x) })
	case c.script.OnStop == nil && name(signal) != "WINCH":
		e.exit(c, Exit{Code: 128 + number})
	}
}

// stops says whether a signal asks the container's process to end.
func stops(c *container, e *Engine, signal string) bool {
	return signal == "TERM" || signal == "INT" || signal == "QUIT" || signal == name(e.stopSignal(c, ""))
}

// PauseContainer implements engine.Containers.
func (e *Engine) PauseContainer(ctx context.Context, id string) error {
	err := e.call(ctx, "PauseContainer", id, func() error {
		c, err := e.need(id)
		switch {
		case err != nil:
			return err
		case c.state == engine.StatePaused:
			return errConflict("Container %s is already paused", c.id)
		case c.state != engine.StateRunning:
			return errConflict("Container %s is not running", c.id)
		}
		c.state = engine.StatePaused
		e.emit(c, "pause")
		return nil
	})
	return wrap(err, "pause container %s", short(id))
}

// UnpauseContainer implements engine.Containers.
func (e *Engine) UnpauseContainer(ctx context.Context, id string) error {
	err := e.call(ctx, "UnpauseContainer", id, func() error {
		c, err := e.need(id)
		if err != nil {
			return err
		}
		if c.state != engine.StatePaused {
			return errInternal("Container %s is not paused", c.id)
		}
		e.unpause(c)
		return nil
	})
	return wrap(err, "unpause container %s", short(id))
}

func (e *Engine) unpause(c *container) {
	if c.state != engine.StatePaused {
		return
	}
	c.state = engine.StateRunning
	e.emit(c, "unpause")
	if do := c.pending; do != nil {
		c.pending = nil
		do()
	}
}

// Exit ends the process of a running container as if by itself. It reports whether there was one.
func (e *Engine) Exit(ref string, code int) bool { return e.end(ref, Exit{Code: code}) }

// OOM ends the process of a running container for want of memory. It reports whether there was one.
func (e *Engine) OOM(ref string) bool { return e.end(ref, Exit{OOM: true}) }

func (e *Engine) end(ref string, x Exit) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.find(ref)
	if c == nil || !c.alive() {
		return false
	}
	e.exit(c, x)
	return true
}

// Occupy takes a port of the host as another program does: publishing it fails (engine.IsPortTaken) until Vacate.
func (e *Engine) Occupy(at netip.AddrPort) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.occupied[at] = true
}

// Vacate gives a port back.
func (e *Engine) Vacate(at netip.AddrPort) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.occupied, at)
}
