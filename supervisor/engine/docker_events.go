package engine

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/events"
)

// subscribeLimit bounds the call that goes before a subscription: who waits for events of an engine wants to know soon that
// it hangs.
const subscribeLimit = 5 * time.Second

// greet is what has to be known before a subscription: that the engine takes new connections, and its version.
func (d *Docker) greet(ctx context.Context) error {
	if err := d.ping(ctx); err != nil {
		return err
	}
	_, err := d.api.ServerVersion(ctx)
	return err
}

// Events implements Engine. Events of execs are filtered out at the engine: probes make dozens of them a second. The
// engine replays at most 256 past events, so those of before the call are not asked for: callers list after subscribing.
// It answers a moment before it subscribes (20.10 to 28), hence Since.
func (d *Docker) Events(ctx context.Context, labels map[string]string) (<-chan Event, func() error, error) {
	f := labelFilter(labels)
	f.Add("type", string(events.ContainerEventType))
	for _, e := range []string{"create", "start", "die", "oom", "destroy", "pause", "unpause", "rename"} {
		f.Add("event", e)
	}
	now := time.Now()
	// The client's Events reads the API version without agreeing on one first, and says nothing of a failed connection in
	// time; any other call does both.
	if err := do(ctx, subscribeLimit, d.greet); err != nil {
		return nil, nil, wrap(err, "subscribe to the engine's events")
	}
	msgs, errs := d.api.Events(ctx, events.ListOptions{
		Filters: f, Since: fmt.Sprintf("%d.%09d", now.Unix(), now.Nanosecond()),
	})
	select {
	case err := <-errs:
		return nil, nil, wrap(err, "subscribe to the engine's events")
	default:
	}
	out := make(chan Event, 64)
	var last error
	go func() {
		defer close(out)
		for {
			select {
			case m := <-msgs:
				select {
				case out <- observedEvent(m):
				case <-ctx.Done():
					return
				}
			case err := <-errs:
				if ctx.Err() == nil {
					last = wrap(err, "follow the engine's events")
				}
				return
			}
		}
	}()
	return out, func() error { return last }, nil
}

func observedEvent(m events.Message) Event {
	e := Event{Type: string(m.Action), ID: m.Actor.ID, Time: time.Unix(0, m.TimeNano).UTC(), Labels: m.Actor.Attributes}
	if c, err := strconv.Atoi(m.Actor.Attributes["exitCode"]); err == nil {
		e.ExitCode = c
	}
	return e
}
