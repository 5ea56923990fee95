package engine

import (
	"context"
	"sync"
	"time"
)

// startPoll is the polling interval while a pause waits for a command to start.
const startPoll = 2 * time.Millisecond

// execGate prevents a container from being paused while a command is starting in it. That would deadlock the engine (20.10):
// the engine holds the container's list of execs until the command has started, an inspection waits for the list while it
// holds the container's lock, and the unpause waits for that lock. The zero value is ready to use.
type execGate struct {
	mu    sync.Mutex
	doors map[string]*door
}

// door is the gate of one container. It exists while a command or a pause uses it.
type door struct {
	commands map[*command]bool
	freezing int
	opened   chan struct{} // closed when no pause is in progress
}

// command is a command from before its start until its end.
type command struct {
	id    string // the engine's, "" until it has one
	ended chan struct{}
}

// enter waits until the container is not being paused. The command counts as starting until leave is called, or until the
// engine reports that it has started; name sets the engine's ID of it.
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

// admit registers a command, or returns the channel to wait for.
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

// shut blocks new commands until open is called, and waits until the registered ones have started or ended. begun asks the
// engine whether a command has started.
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

// await waits until a command has started or ended.
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
