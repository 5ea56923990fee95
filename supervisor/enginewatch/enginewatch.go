// Package enginewatch follows a Docker engine: it passes its events on, and tells when the engine stops answering and when
// it answers again.
package enginewatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lyandev/lyandev/supervisor/engine"
)

const (
	// pingEvery is the time between pings, and pingLimit how long one may take. An engine that hangs keeps its event stream
	// open without sending anything, so the stream alone does not show it.
	pingEvery = 2 * time.Second
	pingLimit = 4 * time.Second
	// retryFirst and retryLast bound the wait between tries to reach an engine that does not answer.
	retryFirst = 100 * time.Millisecond
	retryLast  = 2 * time.Second
	// steady is how long a subscription must have been open to be renewed at once after it broke.
	steady = time.Second
)

// Watch follows one engine. All fields must be set; the callbacks are called one at a time, from Run's goroutine, so a
// callback that blocks delays the rest.
//
//	Run -> subscribe -> Back -> events ... -> Broken -> subscribe -> Back
//	           |                                |
//	           +--> Lost <----------------------+ (a ping fails too)
//	                 |  after 0.1 s, doubling to 2 s
//	                 +--> subscribe
type Watch struct {
	Engine engine.Engine
	// Labels select the events to subscribe to; nil is all of them.
	Labels map[string]string
	// Broken says that a subscription has ended: from now until Back no event arrives.
	Broken func(err error)
	// Lost says that the engine does not answer. It is called after every failed try to reach it.
	Lost func(err error)
	// Back says that a new subscription is open. Events before it may have been missed, so Back must list what there is. If it
	// returns an error, the subscription is given up and the engine counts as lost.
	Back func(ctx context.Context) error
	// Event is called for every event, in the engine's order.
	Event func(engine.Event)
}

// Run follows the engine. It blocks until ctx ends and then returns nil.
func (w *Watch) Run(ctx context.Context) error {
	for wait := time.Duration(0); ; wait = min(max(2*wait, retryFirst), retryLast) {
		began := time.Now()
		stood, err := w.follow(ctx)
		if ctx.Err() != nil {
			return nil
		}
		switch {
		case errors.Is(err, errSilent):
			w.Broken(err)
			w.Lost(err)
		case stood:
			w.Broken(err)
		default:
			w.Lost(err)
		}
		if stood && time.Since(began) >= steady {
			wait = 0
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// errSilent is the error of a ping that failed.
var errSilent = errors.New("the Docker engine does not answer a ping")

// follow subscribes and passes events on until the subscription breaks or a ping fails. stood says that the subscription was
// open.
func (w *Watch) follow(ctx context.Context) (stood bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events, why, err := w.Engine.Events(ctx, w.Labels)
	if err != nil {
		return false, err
	}
	if err := w.Back(ctx); err != nil {
		return false, err
	}
	pings, pinged := w.ping(ctx)
	defer func() { cancel(); <-pinged }()
	for {
		select {
		case e, ok := <-events:
			if !ok {
				return true, why()
			}
			if err := w.shuttingDown(ctx, e); err != nil {
				return true, err
			}
			w.Event(e)
		case err := <-pings:
			return true, err
		case <-ctx.Done():
			return true, ctx.Err()
		}
	}
}

// ping pings the engine until ctx ends or a ping fails; the failure is sent to silent. Then it closes ended.
func (w *Watch) ping(ctx context.Context) (silent <-chan error, ended <-chan struct{}) {
	errs, done := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(pingEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if err := w.pingOnce(ctx); err != nil {
				errs <- err
				return
			}
		}
	}()
	return errs, done
}

// shuttingDown returns an error if a container has ended because the engine is shutting down: the engine stops all
// containers before it ends, and already refuses pings then. Such an end must not be passed on, or its container would be
// started again.
func (w *Watch) shuttingDown(ctx context.Context, e engine.Event) error {
	if e.Type != "die" {
		return nil
	}
	return w.pingOnce(ctx)
}

func (w *Watch) pingOnce(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, pingLimit)
	defer cancel()
	if err := w.Engine.Ping(limited); err != nil && ctx.Err() == nil {
		return fmt.Errorf("%w: %w", errSilent, err)
	}
	return nil
}
