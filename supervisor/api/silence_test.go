package api

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/state"
)

// pipes is a client whose connections are pipes, so that its limits can be tested in virtual time. answer is called with
// each connection; one that returns without a word is a supervisor that was stopped by a signal.
func pipes(t *testing.T, answer func(c net.Conn)) *Client {
	c := NewClient("/run/shop/sock")
	c.Holder = func() int { return 4711 }
	c.http.Transport = &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		t.Cleanup(func() { _ = far.Close() })
		go answer(far)
		return near, nil
	}}
	return c
}

// TestASilentSupervisor: every call to a supervisor that accepts and says nothing ends with its process ID and what to do.
func TestASilentSupervisor(t *testing.T) {
	for name, call := range map[string]func(ctx context.Context, c *Client) error{
		"state": func(ctx context.Context, c *Client) error { _, err := c.State(ctx); return err },
		"apply": func(ctx context.Context, c *Client) error {
			_, err := c.Apply(ctx, ApplyRequest{Stack: &services.Stack{}})
			return err
		},
		"watch": func(ctx context.Context, c *Client) error {
			return c.WatchState(ctx, func(*state.Status) bool { return true })
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := pipes(t, func(net.Conn) {})
				began := time.Now()
				err := call(t.Context(), c)
				if !errors.Is(err, ErrSilent) || errors.Is(err, ErrNoSupervisor) || !strings.Contains(err.Error(), "kill -CONT 4711") {
					t.Errorf("got %v", err)
				}
				if took := time.Since(began); took != silenceLimit {
					t.Errorf("it took %s", took)
				}
				c.http.CloseIdleConnections()
			})
		})
	}
}

// TestASlowAnswerIsNoSilence: a call may take as long as its work does while the supervisor gives signs of life; a watch that
// is cut off by silence says so.
func TestASlowAnswerIsNoSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		stopped := begun.Add(10 * time.Minute)
		mux := http.NewServeMux()
		mux.HandleFunc("PUT /v1/stack", func(w http.ResponseWriter, r *http.Request) {
			var req ApplyRequest
			if read(w, r, &req) {
				time.Sleep(time.Minute)
				reply(w, ApplyAnswer{Applied: 3}, nil)
			}
		})
		mux.HandleFunc("GET /v1/state", func(w http.ResponseWriter, _ *http.Request) { reply(w, &state.Status{}, nil) })
		mux.HandleFunc("HEAD /v1/events", func(w http.ResponseWriter, r *http.Request) {
			if time.Now().After(stopped) {
				<-r.Context().Done()
			}
		})
		mux.HandleFunc("GET /v1/watch", func(w http.ResponseWriter, r *http.Request) {
			stream(w, func(_ *json.Encoder, flush func()) { flush(); <-r.Context().Done() })
		})
		conns := make(chan net.Conn)
		srv := &http.Server{Handler: mux}
		go func() { _ = srv.Serve(chanListener(conns)) }()
		c := pipes(t, func(far net.Conn) { conns <- far })
		if applied, err := c.Apply(t.Context(), ApplyRequest{Stack: &services.Stack{}}); err != nil || applied.Applied != 3 {
			t.Errorf("got %d, %v", applied.Applied, err)
		}
		err := watch(t.Context(), c, "/v1/watch", func(*state.Status) bool { return true })
		if !errors.Is(err, ErrSilent) || time.Now().Before(stopped) || time.Since(stopped) > silenceLimit {
			t.Errorf("after %s: %v", time.Since(begun), err)
		}
		c.http.CloseIdleConnections()
		_ = srv.Close()
	})
}

// chanListener accepts the connections that come through a channel.
type chanListener chan net.Conn

func (l chanListener) Accept() (net.Conn, error) {
	c, ok := <-l
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (l chanListener) Addr() net.Addr { return &net.UnixAddr{} }

func (l chanListener) Close() error { close(l); return nil }
