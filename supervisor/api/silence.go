package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// ErrSilent says that the supervisor runs and does not answer: it hangs, or was stopped by a signal.
var ErrSilent = errors.New("it does not answer")

const (
	// askEvery is how often a supervisor is asked for a sign of life while a call to it goes on.
	askEvery = 2 * time.Second
	// signLimit is how long a sign of life may take. A supervisor answers from memory, so this is for a machine that is busy.
	signLimit = 3 * time.Second
	// signTries is how often in a row it is asked before it counts as silent: a client that was itself stopped meanwhile
	// finds the first limit over.
	signTries = 2
	// silenceLimit is after how long a supervisor that gives no sign of life counts as silent.
	silenceLimit = askEvery + signTries*signLimit
)

// watchSilence gives the context of a call, which ends with ErrSilent as its cause when the supervisor gives no sign of life.
// A call may take as long as its work does; only the supervisor's silence ends it. end must be called when the call is over.
func (c *Client) watchSilence(ctx context.Context) (watched context.Context, end func()) {
	watched, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTimer(askEvery)
		defer tick.Stop()
		for {
			select {
			case <-watched.Done():
				return
			case <-tick.C:
			}
			alive := false
			for try := 0; try < signTries && !alive; try++ {
				alive = c.signOfLife(watched)
			}
			if !alive {
				cancel(c.silent())
				return
			}
			tick.Reset(askEvery)
		}
	}()
	return watched, func() { cancel(context.Canceled); <-done }
}

// signOfLife asks the supervisor for one. No connection at all is not silence: the call itself tells of that.
func (c *Client) signOfLife(ctx context.Context) bool {
	limited, cancel := context.WithTimeout(ctx, signLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(limited, http.MethodHead, "http://lyandev/v1/events?since=18446744073709551615", nil)
	if err != nil {
		return true
	}
	resp, err := c.http.Do(req)
	if err == nil {
		_ = resp.Body.Close()
	}
	return ctx.Err() != nil || !errors.Is(limited.Err(), context.DeadlineExceeded)
}

func (c *Client) silent() error {
	if c.Holder != nil {
		if pid := c.Holder(); pid > 0 {
			return fmt.Errorf("cannot reach the supervisor on %s: process %[2]d runs, and %[3]w within %[4]s; `kill -CONT %[2]d` lets it go on if "+
				"it was stopped, `kill -9 %[2]d` ends it: what runs goes on, and the next `lyandev up` takes it over", c.socket, pid, ErrSilent, silenceLimit)
		}
	}
	return fmt.Errorf("cannot reach the supervisor on %s: %w within %s", c.socket, ErrSilent, silenceLimit)
}

// watchedBody ends the watch of a call with the body of its answer, and says when silence ended that.
type watchedBody struct {
	io.ReadCloser
	ctx context.Context
	end func()
}

// Read implements io.Reader.
func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && b.ctx.Err() != nil {
		err = context.Cause(b.ctx)
	}
	return n, err
}

// Close implements io.Closer.
func (b *watchedBody) Close() error {
	err := b.ReadCloser.Close()
	b.end()
	return err
}
