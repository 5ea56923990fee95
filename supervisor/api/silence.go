package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// ErrSilent means that the supervisor is running and does not answer: it hangs, or was stopped by a signal.
var ErrSilent = errors.New("it does not answer")

const (
	// askEvery is the interval between health checks of the supervisor during a call.
	askEvery = 2 * time.Second
	// signLimit is the timeout of one health check. The supervisor answers from memory, so this allows for a busy machine.
	signLimit = 3 * time.Second
	// signTries is how many checks in a row must fail. With one, a client that was itself suspended would report a timeout.
	signTries = 2
	// silenceLimit is the total time after which a supervisor counts as hanging.
	silenceLimit = askEvery + signTries*signLimit
)

// watchSilence returns a context for a call. It ends with the cause ErrSilent if the supervisor stops answering health checks;
// the duration of the call itself is not limited. end must be called after the call.
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

// signOfLife makes one health check. A failure to connect counts as success, because the call itself reports it.
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
			return fmt.Errorf("cannot reach the supervisor on %s: process %[2]d is running, but %[3]w within %[4]s; `kill -CONT %[2]d` resumes it if "+
				"it was stopped, `kill -9 %[2]d` ends it: the containers keep running, and the next `lyandev up` takes them over", c.socket, pid, ErrSilent, silenceLimit)
		}
	}
	return fmt.Errorf("cannot reach the supervisor on %s: %w within %s", c.socket, ErrSilent, silenceLimit)
}

// watchedBody is a response body that ends the call's health checks when it is closed, and returns ErrSilent from Read if the
// supervisor hangs.
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
