package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"strconv"

	"github.com/lyandev/lyandev/supervisor/network"
	"github.com/lyandev/lyandev/supervisor/socket"
	"github.com/lyandev/lyandev/supervisor/state"
)

// ErrNoSupervisor means that nothing listens on the socket.
var ErrNoSupervisor = errors.New("no supervisor is running")

// Client talks to the supervisor of one instance.
type Client struct {
	// Holder returns the supervisor's process ID for messages, 0 if unknown. It may be nil.
	Holder func() int

	socket string
	http   *http.Client
}

// NewClient returns a client for a socket. It does not connect yet. The methods fail with socket.ErrUnsafe if the socket may
// belong to another user.
func NewClient(path string) *Client {
	var d net.Dialer
	return &Client{socket: path, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			if err := socket.Check(path); err != nil {
				return nil, err
			}
			return d.DialContext(ctx, "unix", path)
		},
	}}}
}

// Alive reports whether a supervisor answers.
func (c *Client) Alive(ctx context.Context) bool { return c.Answers(ctx) == nil }

// Answers returns an error if no supervisor answers: ErrNoSupervisor if none is running. It costs less than State, which describes all pods.
func (c *Client) Answers(ctx context.Context) error {
	_, err := c.Events(ctx, math.MaxUint64) // none
	return err
}

// State returns the latest state. The error is ErrNoSupervisor if no supervisor is running.
func (c *Client) State(ctx context.Context) (*state.Status, error) {
	s := new(state.Status)
	return s, c.do(ctx, http.MethodGet, "/v1/state", nil, s)
}

// WatchState calls f with the latest state and every newer one. It blocks until f returns false, ctx ends or the supervisor ends.
func (c *Client) WatchState(ctx context.Context, f func(*state.Status) bool) error {
	return watch(ctx, c, "/v1/state?watch=1", f)
}

// Events returns the events after seq.
func (c *Client) Events(ctx context.Context, since uint64) ([]state.Event, error) {
	var out []state.Event
	return out, c.do(ctx, http.MethodGet, "/v1/events?since="+strconv.FormatUint(since, 10), nil, &out)
}

// WatchEvents calls f with every event after seq, including new ones. It blocks as WatchState does.
func (c *Client) WatchEvents(ctx context.Context, since uint64, f func(state.Event) bool) error {
	return watch(ctx, c, "/v1/events?watch=1&since="+strconv.FormatUint(since, 10), func(e *state.Event) bool { return f(*e) })
}

// Endpoints returns the service registry.
func (c *Client) Endpoints(ctx context.Context) (network.Registry, error) {
	var r network.Registry
	return r, c.do(ctx, http.MethodGet, "/v1/endpoints", nil, &r)
}

// WatchEndpoints calls f with the registry and every newer one. It blocks as WatchState does.
func (c *Client) WatchEndpoints(ctx context.Context, f func(*network.Registry) bool) error {
	return watch(ctx, c, "/v1/endpoints?watch=1", f)
}

// Apply applies a stack and blocks until it was accepted (its images are built) or refused.
func (c *Client) Apply(ctx context.Context, r ApplyRequest) (a ApplyAnswer, err error) {
	err = c.do(ctx, http.MethodPut, "/v1/stack", r, &a)
	return a, err
}

// Stop starts stopping the stack and does not wait for it. A second call cuts the grace periods short.
func (c *Client) Stop(ctx context.Context) error {
	return c.do(ctx, http.MethodPost, "/v1/stop", nil, nil)
}

// Restart starts a rolling restart of a workload and does not wait for it.
func (c *Client) Restart(ctx context.Context, workload string) error {
	return c.do(ctx, http.MethodPost, "/v1/workloads/"+url.PathEscape(workload)+"/restart", nil, nil)
}

// Control asks to stop, start, restart, kill, pause, unpause or remove services, and does not wait for it.
func (c *Client) Control(ctx context.Context, r ControlRequest) error {
	return c.do(ctx, http.MethodPost, "/v1/control", r, nil)
}

func (c *Client) send(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("cannot write the request: %w", err)
		}
		r = bytes.NewReader(b)
	}
	watched, end := c.watchSilence(ctx)
	req, err := http.NewRequestWithContext(watched, method, "http://lyandev"+path, r)
	if err != nil {
		end()
		return nil, fmt.Errorf("cannot build the request: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		defer end()
		if watched.Err() != nil {
			return nil, context.Cause(watched)
		}
		if unsafe := new(url.Error); errors.Is(err, socket.ErrUnsafe) && errors.As(err, &unsafe) {
			return nil, unsafe.Err
		}
		return nil, fmt.Errorf("%w (nothing listens on %s); start the stack with `lyandev up`", ErrNoSupervisor, c.socket)
	}
	resp.Body = &watchedBody{ReadCloser: resp.Body, ctx: watched, end: end}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	var p Problem
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&p); err != nil || p.Error == "" {
		return nil, fmt.Errorf("unexpected answer from the supervisor: %s", resp.Status)
	}
	return nil, errors.New(p.Error)
}

func (c *Client) do(ctx context.Context, method, path string, body, into any) error {
	resp, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("cannot read the supervisor's answer: %w", err)
	}
	return nil
}

func watch[T any](ctx context.Context, c *Client, path string, f func(*T) bool) error {
	resp, err := c.send(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	dec := json.NewDecoder(resp.Body)
	for {
		v := new(T)
		if err := dec.Decode(v); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if errors.Is(err, ErrSilent) {
				return err
			}
			return fmt.Errorf("%w (it ended)", ErrNoSupervisor)
		}
		if !f(v) {
			return nil
		}
	}
}
