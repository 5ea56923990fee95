// Package api implements the supervisor's HTTP API on a Unix socket, and its client. All lyandev commands that talk to a running
// supervisor use the client. Streams are JSON lines.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/network"
	"github.com/lyandev/lyandev/supervisor/socket"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/timeline"
)

// Backend carries out the API's requests; the supervisor implements it.
type Backend interface {
	Store() *state.Store
	Events() *state.Events
	// Apply applies a stack; see supervisor.Supervisor.Apply.
	Apply(ctx context.Context, r ApplyRequest) (ApplyAnswer, error)
	// Stop starts stopping the stack and does not block. A second call cuts the grace periods short.
	Stop()
	RestartWorkload(ctx context.Context, name string) error
	// Control stops, starts or signals services; see supervisor.Supervisor.Control.
	Control(ctx context.Context, r ControlRequest) error
	Endpoints() network.Registry
}

// ApplyRequest is the body of PUT /v1/stack.
type ApplyRequest struct {
	Stack     *services.Stack `json:"stack"`
	PortsAuto bool            `json:"portsAuto,omitempty"`
	Build     bool            `json:"build,omitempty"`
	NoBuild   bool            `json:"noBuild,omitempty"`
	// NoWatch turns off file watching.
	NoWatch bool `json:"noWatch,omitempty"`
	// Only limits the apply to these services and what they depend on.
	Only []string `json:"only,omitempty"`
	// NoDeps leaves out what Only depends on.
	NoDeps bool `json:"noDeps,omitempty"`
	// Began is what the command has done before, for the times of the action.
	Began []timeline.Span `json:"began,omitempty"`
	ApplyWay
}

// ApplyWay says how a stack is applied; see supervisor.ApplyWay.
type ApplyWay struct {
	Pull       string `json:"pull,omitempty"`
	NoRecreate bool   `json:"noRecreate,omitempty"`
	NewVolumes bool   `json:"newVolumes,omitempty"`
	NoStart    bool   `json:"noStart,omitempty"`
	Grace      *int64 `json:"grace,omitempty"`
}

// ControlRequest is the body of POST /v1/control: what to do with which services; see supervisor.Control.
type ControlRequest struct {
	Verb     string   `json:"verb"`
	Services []string `json:"services,omitempty"`
	Signal   string   `json:"signal,omitempty"`
	Grace    *int64   `json:"grace,omitempty"`
	Stop     bool     `json:"stop,omitempty"`
	Volumes  bool     `json:"volumes,omitempty"`
}

// ApplyAnswer is the body of the answer to PUT /v1/stack; see supervisor.Applied.
type ApplyAnswer struct {
	// Applied is the number of the apply. States whose Applied is at least this reflect it.
	Applied uint64 `json:"applied"`
	// Warnings say what is not as the file says. Again are the workloads that the apply started again though nothing of them changed.
	Warnings []string `json:"warnings,omitempty"`
	Again    []string `json:"again,omitempty"`
}

// maxBody bounds request bodies.
const maxBody = 32 << 20

// Problem is the body of an answer that is not 2xx.
type Problem struct {
	Error string `json:"error"`
}

// Listen creates the socket with mode 0600. It replaces an existing socket, so the caller must hold the instance's lock. The
// error is socket.ErrUnsafe if another user could change the directory.
func Listen(path string) (net.Listener, error) {
	if err := socket.Prepare(path); err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot replace socket %s: %w", path, err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot protect socket %s: %w", path, err), l.Close())
	}
	return l, nil
}

// Serve serves requests on l until ctx ends, then waits up to 2 s for requests in progress. Clients that are still connected
// after that are disconnected, which is no error.
func Serve(ctx context.Context, l net.Listener, b Backend, log *slog.Logger) error {
	streams, endStreams := context.WithCancel(context.Background())
	defer endStreams()
	srv := &http.Server{
		Handler: handler(b), ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:    slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return streams },
	}
	silent := &silentConns{}
	srv.ConnState = silent.note
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	time.AfterFunc(300*time.Millisecond, endStreams) // time to send the last state
	silent.close()
	err := srv.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		log.Debug("disconnected clients at shutdown")
		err = srv.Close()
	}
	<-done
	return err
}

// silentConns are connections without a request so far. net/http's clients open spare connections, and its server waits 5 s
// for them at shutdown; closing them avoids that.
type silentConns struct{ conns sync.Map }

func (s *silentConns) note(c net.Conn, state http.ConnState) {
	if state == http.StateNew {
		s.conns.Store(c, nil)
		return
	}
	s.conns.Delete(c)
}

func (s *silentConns) close() {
	s.conns.Range(func(c, _ any) bool {
		_ = c.(net.Conn).Close()
		return true
	})
}

func handler(b Backend) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/state", func(w http.ResponseWriter, r *http.Request) { getState(w, r, b) })
	mux.HandleFunc("GET /v1/events", func(w http.ResponseWriter, r *http.Request) { getEvents(w, r, b) })
	mux.HandleFunc("GET /v1/endpoints", func(w http.ResponseWriter, r *http.Request) { getEndpoints(w, r, b) })
	mux.HandleFunc("PUT /v1/stack", func(w http.ResponseWriter, r *http.Request) {
		var req ApplyRequest
		if !read(w, r, &req) {
			return
		}
		if req.Stack == nil {
			fail(w, http.StatusBadRequest, errors.New("cannot apply: the request has no stack"))
			return
		}
		answer, err := b.Apply(r.Context(), req)
		reply(w, answer, err)
	})
	mux.HandleFunc("POST /v1/stop", func(w http.ResponseWriter, _ *http.Request) {
		b.Stop()
		reply(w, struct{}{}, nil)
	})
	mux.HandleFunc("POST /v1/workloads/{name}/restart", func(w http.ResponseWriter, r *http.Request) {
		reply(w, struct{}{}, b.RestartWorkload(r.Context(), r.PathValue("name")))
	})
	mux.HandleFunc("POST /v1/control", func(w http.ResponseWriter, r *http.Request) {
		var req ControlRequest
		if read(w, r, &req) {
			reply(w, struct{}{}, b.Control(r.Context(), req))
		}
	})
	operations(mux, b)
	switchRoutes(mux, b)
	snapshotRoutes(mux, b)
	loopRoutes(mux, b)
	timesRoutes(mux, b)
	return mux
}

// getState returns the latest state, and with ?watch=1 then every newer one.
func getState(w http.ResponseWriter, r *http.Request, b Backend) {
	if r.FormValue("watch") == "" {
		reply(w, b.Store().Latest(), nil)
		return
	}
	stream(w, func(enc *json.Encoder, flush func()) {
		for s := range b.Store().Subscribe(r.Context()) {
			if enc.Encode(s) != nil {
				return
			}
			flush()
		}
	})
}

// getEvents returns the events after ?since=SEQ, and with ?watch=1 then every new one.
func getEvents(w http.ResponseWriter, r *http.Request, b Backend) {
	since, _ := strconv.ParseUint(r.FormValue("since"), 10, 64)
	if r.FormValue("watch") == "" {
		reply(w, b.Events().Since(since), nil)
		return
	}
	stream(w, func(enc *json.Encoder, flush func()) {
		for {
			for _, e := range b.Events().Since(since) {
				since = e.Seq
				if enc.Encode(e) != nil {
					return
				}
			}
			flush()
			if !b.Events().Wait(r.Context(), since) {
				return
			}
		}
	})
}

// getEndpoints returns the service registry, and with ?watch=1 again after every change.
func getEndpoints(w http.ResponseWriter, r *http.Request, b Backend) {
	if r.FormValue("watch") == "" {
		reply(w, b.Endpoints(), nil)
		return
	}
	stream(w, func(enc *json.Encoder, flush func()) {
		var last string
		for range b.Store().Subscribe(r.Context()) {
			reg := b.Endpoints()
			now, err := json.Marshal(reg)
			if err != nil || string(now) == last {
				continue
			}
			last = string(now)
			if enc.Encode(reg) != nil {
				return
			}
			flush()
		}
	})
}

func stream(w http.ResponseWriter, send func(enc *json.Encoder, flush func())) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	rc := http.NewResponseController(w)
	flush := func() { _ = rc.Flush() }
	flush()
	send(json.NewEncoder(w), flush)
}

func read(w http.ResponseWriter, r *http.Request, into any) bool {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(into); err != nil {
		fail(w, http.StatusBadRequest, fmt.Errorf("cannot read the request: %w", err))
		return false
	}
	return true
}

func reply(w http.ResponseWriter, v any, err error) {
	if err != nil {
		fail(w, http.StatusUnprocessableEntity, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func fail(w http.ResponseWriter, code int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(Problem{Error: err.Error()})
}
