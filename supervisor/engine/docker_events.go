package engine

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/events"
)

// subscribeLimit bounds the call before a subscription, so that a hanging engine is noticed soon.
const subscribeLimit = 5 * time.Second

// greet checks before a subscription that the engine accepts new connections, and negotiates the API version.
func (d *Docker) greet(ctx context.Context) error {
	if err := d.ping(ctx); err != nil {
		return err
	}
	_, err := d.api.ServerVersion(ctx)
	return err
}

// Events implements Engine. The engine filters out exec events: probes cause dozens of them per second. Events before the call
// are not requested, because the engine replays at most 256: callers list after subscribing. The engine answers shortly
// before it subscribes (20.10 to 28), hence Since.
func (d *Docker) Events(ctx context.Context, labels map[string]string) (<-chan Event, func() error, error) {
	f := labelFilter(labels)
	f.Add("type", string(events.ContainerEventType))
	for _, e := range []string{"create", "start", "die", "oom", "destroy", "pause", "unpause", "rename"} {
		f.Add("event", e)
	}
	now := time.Now()
	// The client's Events neither negotiates the API version nor reports a failed connection at once; any other call does both.
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
