package engine

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
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
	for _, e := range []string{
		"create", "start", "die", "oom", "destroy", "pause", "unpause", "rename", "restart", "kill", "health_status",
	} {
		f.Add("event", e)
	}
	since := sinceNow()
	// The client's Events neither negotiates the API version nor reports a failed connection at once; any other call does both.
	if err := do(ctx, subscribeLimit, d.greet); err != nil {
		return nil, nil, wrap(err, "subscribe to the engine's events")
	}
	ctx, cancel := context.WithCancel(ctx)
	msgs, errs := d.api.Events(ctx, events.ListOptions{Filters: f, Since: since})
	select {
	case err := <-errs:
		cancel()
		return nil, nil, wrap(err, "subscribe to the engine's events")
	default:
	}
	joined := d.networkEvents(ctx, labels, since)
	out := make(chan Event, 64)
	var last error
	go func() {
		defer close(out)
		defer cancel()
		for {
			var e Event
			select {
			case m := <-msgs:
				e = observedEvent(m)
			case e = <-joined:
			case err := <-errs:
				if ctx.Err() == nil {
					last = wrap(err, "follow the engine's events")
				}
				return
			}
			select {
			case out <- e:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, func() error { return last }, nil
}

// sinceNow is the present time as the engine's event stream wants it.
func sinceNow() string {
	now := time.Now()
	return fmt.Sprintf("%d.%09d", now.Unix(), now.Nanosecond())
}

// networkEvents delivers the connections and disconnections of containers that carry all the labels, until ctx or the stream ends.
// The engine's events of networks do not carry the containers' labels, so each container is inspected; the disconnection of one
// that has been removed in between is left out.
func (d *Docker) networkEvents(ctx context.Context, labels map[string]string, since string) <-chan Event {
	f := filters.NewArgs(filters.Arg("type", string(events.NetworkEventType)), filters.Arg("event", "connect"), filters.Arg("event", "disconnect"))
	msgs, errs := d.api.Events(ctx, events.ListOptions{Filters: f, Since: since})
	out := make(chan Event)
	go func() {
		for {
			select {
			case m := <-msgs:
				c, err := d.InspectContainer(ctx, m.Actor.Attributes["container"])
				if err != nil || c.Labels == nil || !carries(c.Labels, labels) {
					continue
				}
				e := Event{
					Type: string(m.Action), ID: c.ID, Time: time.Unix(0, m.TimeNano).UTC(), Network: m.Actor.Attributes["name"],
					Labels: maps.Clone(c.Labels),
				}
				e.Labels["name"], e.Labels["image"] = c.Name, c.Image
				select {
				case out <- e:
				case <-ctx.Done():
					return
				}
			case <-errs: // the stream of container events says why
				return
			}
		}
	}()
	return out
}

// carries reports whether labels has all of want; an empty value asks only for the key.
func carries(labels, want map[string]string) bool {
	for k, v := range want {
		if have, ok := labels[k]; !ok || v != "" && have != v {
			return false
		}
	}
	return true
}

func observedEvent(m events.Message) Event {
	e := Event{Type: string(m.Action), ID: m.Actor.ID, Time: time.Unix(0, m.TimeNano).UTC(), Labels: m.Actor.Attributes}
	if status, ok := strings.CutPrefix(e.Type, "health_status: "); ok {
		e.Type, e.Health = "health_status", status
	}
	if e.Type == "kill" {
		e.Signal = m.Actor.Attributes["signal"]
	}
	if c, err := strconv.Atoi(m.Actor.Attributes["exitCode"]); err == nil {
		e.ExitCode = c
	}
	return e
}
