package enginefake

import (
	"context"
	"maps"
	"strconv"
	"time"

	"github.com/lyandev/lyandev/supervisor/engine"
)

// subscription is one reader of events. What it has not read yet waits, without a bound.
type subscription struct {
	labels map[string]string
	queue  []engine.Event
	// wake has a place when queue has grown or the subscription was cut; err is why.
	wake  chan struct{}
	ended bool
	err   error
}

// Events implements engine.Engine.
func (e *Engine) Events(ctx context.Context, labels map[string]string) (<-chan engine.Event, func() error, error) {
	s := &subscription{labels: maps.Clone(labels), wake: make(chan struct{}, 1)}
	err := e.call(ctx, "Events", "", func() error {
		e.subs[s] = struct{}{}
		return nil
	})
	if err != nil {
		e.unsubscribe(s)
		return nil, nil, wrap(err, "subscribe to the engine's events")
	}
	out := make(chan engine.Event, 64)
	var last error
	go func() {
		defer close(out)
		defer e.unsubscribe(s)
		for {
			select {
			case <-ctx.Done():
				return
			case <-s.wake:
			}
			events, ended, err := e.take(s)
			for _, ev := range events {
				select {
				case out <- ev:
				case <-ctx.Done():
					return
				}
			}
			if ended {
				last = wrap(err, "follow the engine's events")
				return
			}
		}
	}()
	return out, func() error { return last }, nil
}

func (e *Engine) unsubscribe(s *subscription) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.subs, s)
}

func (e *Engine) take(s *subscription) ([]engine.Event, bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	events := s.queue
	s.queue = nil
	return events, s.ended, s.err
}

// emit tells the subscribers what happened to a container; e.mu is held.
func (e *Engine) emit(c *container, typ string) {
	attributes := c.attributes()
	ev := engine.Event{Type: typ, ID: c.id, Time: time.Now().UTC(), Labels: attributes}
	if typ == "die" {
		ev.ExitCode = c.code
		attributes["exitCode"] = strconv.Itoa(c.code)
	}
	switch typ {
	case "kill":
		ev.Signal = strconv.Itoa(c.signal)
		attributes["signal"] = ev.Signal
	case "health_status":
		ev.Health = c.health.Status
	}
	e.send(c, ev)
}

// emitNetwork tells the subscribers that a container joined or left a network; e.mu is held.
func (e *Engine) emitNetwork(c *container, n *netRecord, typ string) {
	e.send(c, engine.Event{Type: typ, ID: c.id, Time: time.Now().UTC(), Network: n.spec.Name, Labels: c.attributes()})
}

// attributes are the labels of an event: the container's, its name and its image.
func (c *container) attributes() map[string]string {
	out := maps.Clone(c.spec.Labels)
	out["image"], out["name"] = c.spec.Image, c.name
	return out
}

// send delivers an event to its subscribers; e.mu is held.
func (e *Engine) send(c *container, ev engine.Event) {
	for s := range e.subs {
		if matches(c.spec.Labels, s.labels) {
			s.queue = append(s.queue, ev)
			s.nudge()
		}
	}
}

func (s *subscription) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// CutEvents breaks every event stream with err; what happened before still arrives. New subscriptions can be made.
func (e *Engine) CutEvents(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cut(err)
}

func (e *Engine) cut(err error) {
	for s := range e.subs {
		s.ended, s.err = true, err
		s.nudge()
		delete(e.subs, s)
	}
}

// Subscribers counts the open event streams.
func (e *Engine) Subscribers() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.subs)
}
