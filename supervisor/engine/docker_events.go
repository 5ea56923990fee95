package engine

import (
	"context"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/events"
)

// Events implements Engine. Events of execs are filtered out at the engine: probes make dozens of them a second. The
// engine replays at most 256 past events, so none are asked for: callers list after subscribing.
func (d *Docker) Events(ctx context.Context, labels map[string]string) (<-chan Event, func() error, error) {
	f := labelFilter(labels)
	f.Add("type", string(events.ContainerEventType))
	for _, e := range []string{"create", "start", "die", "oom", "destroy", "pause", "unpause", "rename"} {
		f.Add("event", e)
	}
	msgs, errs := d.api.Events(ctx, events.ListOptions{Filters: f})
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
