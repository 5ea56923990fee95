package supervisor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lyandev/lyandev/supervisor/engine"
)

const (
	// pingEvery and pingLimit are how often the engine is asked for a sign of life and how long one may take: an engine that
	// hangs keeps its event stream open and says nothing.
	pingEvery = 2 * time.Second
	pingLimit = 4 * time.Second
	// retryFirst and retryLast bound the wait between tries to reach an engine that does not answer.
	retryFirst = 100 * time.Millisecond
	retryLast  = 2 * time.Second
	// steady is how long a subscription must have stood for its break to be tried again at once.
	steady = time.Second
)

// engineWatch follows the engine: its events, and whether it answers at all.
//
//	run -> subscribe -> back -> events ... -> broken -> subscribe -> back
//	           |                                |
//	           +--> lost <----------------------+ (it does not answer either)
//	                 |  after 0.1 s, doubling to 2 s
//	                 +--> subscribe
type engineWatch struct {
	engine engine.Engine
	labels map[string]string
	// broken: nothing that happens is heard of any more. It comes before every new try to subscribe.
	broken func(err error)
	// lost: the engine does not answer, at every try.
	lost func(err error)
	// back: a subscription stands. Events were lost, so what there is has to be listed. An error is one more loss.
	back func(ctx context.Context) error
	// event is called for one event after the other.
	event func(engine.Event)
}

// run follows the engine until ctx ends.
func (w *engineWatch) run(ctx context.Context) error {
	for wait := time.Duration(0); ; wait = min(max(2*wait, retryFirst), retryLast) {
		began := time.Now()
		stood, err := w.follow(ctx)
		if ctx.Err() != nil {
			return nil
		}
		switch {
		case errors.Is(err, errSilent):
			w.broken(err)
			w.lost(err)
		case stood:
			w.broken(err)
		default:
			w.lost(err)
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

// errSilent says that the engine has given no sign of life.
var errSilent = errors.New("the Docker engine gives no sign of life")

// follow subscribes and passes events on until the subscription breaks or the engine is silent. stood says that there was
// one.
func (w *engineWatch) follow(ctx context.Context) (stood bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events, why, err := w.engine.Events(ctx, w.labels)
	if err != nil {
		return false, err
	}
	if err := w.back(ctx); err != nil {
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
			w.event(e)
		case err := <-pings:
			return true, err
		case <-ctx.Done():
			return true, ctx.Err()
		}
	}
}

// ping asks for signs of life until one does not come, which it tells, or ctx ends; then ended is closed.
func (w *engineWatch) ping(ctx context.Context) (silent <-chan error, ended <-chan struct{}) {
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

// shuttingDown says that a container has ended because the engine is about to: it stops all of them first. Nobody must start
// anything then.
func (w *engineWatch) shuttingDown(ctx context.Context, e engine.Event) error {
	if e.Type != "die" {
		return nil
	}
	return w.pingOnce(ctx)
}

func (w *engineWatch) pingOnce(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, pingLimit)
	defer cancel()
	if err := w.engine.Ping(limited); err != nil && ctx.Err() == nil {
		return fmt.Errorf("%w: %w", errSilent, err)
	}
	return nil
}
