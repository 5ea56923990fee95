package engine

import (
	"context"
	"sync"
	"time"
)

// startPoll is how often a freeze looks whether a command has begun.
const startPoll = 2 * time.Millisecond

// execGate keeps the beginning of commands and the freezing of a container apart. A command that is frozen while it begins
// blocks the engine for good (20.10): it holds the container's list of commands until the command has begun, whoever inspects
// the container waits for that list with the container locked, and the call that would thaw it waits for the lock. Its zero
// value is ready.
type execGate struct {
	mu    sync.Mutex
	doors map[string]*door
}

// door is the gate of one container. It exists while anybody is at it.
type door struct {
	commands map[*command]bool
	freezing int
	opened   chan struct{} // closed when nobody freezes any more
}

// command is one that may be beginning, until it has ended.
type command struct {
	id    string // the engine's, "" until it has one
	ended chan struct{}
}

// enter waits until the container is not being frozen. The command counts as beginning until leave is called, or until the
// engine says that it has begun; name tells the engine's ID of it.
func (g *execGate) enter(ctx context.Context, container string) (name func(id string), leave func(), err error) {
	c := &command{ended: make(chan struct{})}
	for {
		wait := g.admit(container, c)
		if wait == nil {
			break
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
	}
	name = func(id string) {
		g.mu.Lock()
		defer g.mu.Unlock()
		c.id = id
	}
	leave = func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		close(c.ended)
		d := g.doors[container]
		delete(d.commands, c)
		g.tidy(container, d)
	}
	return name, leave, nil
}

// admit lets a command in, or gives what to wait for.
func (g *execGate) admit(container string, c *command) (wait <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	d := g.door(container)
	if d.freezing > 0 {
		return d.opened
	}
	d.commands[c] = true
	return nil
}

// shut keeps new commands out until open is called, and waits until those that are in have begun or ended. begun asks the
// engine.
func (g *execGate) shut(ctx context.Context, container string, begun func(ctx context.Context, id string) bool) (open func(), err error) {
	g.mu.Lock()
	d := g.door(container)
	if d.freezing == 0 {
		d.opened = make(chan struct{})
	}
	d.freezing++
	var in []*command
	for c := range d.commands {
		in = append(in, c)
	}
	g.mu.Unlock()
	open = func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if d.freezing--; d.freezing == 0 {
			close(d.opened)
		}
		g.tidy(container, d)
	}
	for _, c := range in {
		if err := g.await(ctx, c, begun); err != nil {
			open()
			return nil, err
		}
	}
	return open, nil
}

// await waits until a command has begun or ended.
func (g *execGate) await(ctx context.Context, c *command, begun func(ctx context.Context, id string) bool) error {
	tick := time.NewTicker(startPoll)
	defer tick.Stop()
	for {
		g.mu.Lock()
		id := c.id
		g.mu.Unlock()
		if id != "" && begun(ctx, id) {
			return nil
		}
		select {
		case <-c.ended:
			return nil
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// door is called with the lock held.
func (g *execGate) door(container string) *door {
	d := g.doors[container]
	if d == nil {
		if g.doors == nil {
			g.doors = map[string]*door{}
		}
		d = &door{commands: map[*command]bool{}}
		g.doors[container] = d
	}
	return d
}

// tidy is called with the lock held.
func (g *execGate) tidy(container string, d *door) {
	if len(d.commands) == 0 && d.freezing == 0 {
		delete(g.doors, container)
	}
}
