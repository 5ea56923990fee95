// Package api is the supervisor's HTTP API on a Unix socket, and its client. Every other command of lyandev is a client
// of it. Streams are lines of JSON.
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
)

// Backend is what the API serves.
type Backend interface {
	Store() *state.Store
	Events() *state.Events
	// Apply takes over a stack and returns the number of this apply; see supervisor.Supervisor.Apply.
	Apply(ctx context.Context, r ApplyRequest) (applied uint64, err error)
	// Stop begins to end the stack; a second call hurries.
	Stop()
	RestartWorkload(ctx context.Context, name string) error
	Endpoints() network.Registry
}

// ApplyRequest is the body of PUT /v1/stack.
type ApplyRequest struct {
	Stack     *services.Stack `json:"stack"`
	PortsAuto bool            `json:"portsAuto,omitempty"`
	Build     bool            `json:"build,omitempty"`
	NoBuild   bool            `json:"noBuild,omitempty"`
	// NoWatch leaves the files unwatched.
	NoWatch bool `json:"noWatch,omitempty"`
}

// ApplyAnswer is the body of the answer to PUT /v1/stack.
type ApplyAnswer struct {
	// Applied is the number of the apply: snapshots whose Applied is at least this reflect it.
	Applied uint64 `json:"applied"`
}

// maxBody bounds request bodies.
const maxBody = 32 << 20

// Problem is the body of an answer that is not 2xx.
type Problem struct {
	Error string `json:"error"`
}

// Listen makes the socket, readable and writable by its user only. A socket that a dead supervisor left is replaced: the
// caller holds the instance's lock. A directory that another user could change is refused (socket.ErrUnsafe).
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

// Serve answers on l until ctx ends, then lets answers that are going on end, 2 s at most. Clients that are still there then
// are cut off, which is no error: the supervisor has done its work.
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
	time.AfterFunc(300*time.Millisecond, endStreams) // the last snapshot still goes out
	silent.close()
	err := srv.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		log.Debug("clients were cut off at the end of the API")
		err = srv.Close()
	}
	<-done
	return err
}

// silentConns are the connections that have not asked anything yet. net/http's clients dial them in reserve, and its server
// waits 5 s for them before it shuts down.
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
		applied, err := b.Apply(r.Context(), req)
		reply(w, ApplyAnswer{Applied: applied}, err)
	})
	mux.HandleFunc("POST /v1/stop", func(w http.ResponseWriter, _ *http.Request) {
		b.Stop()
		reply(w, struct{}{}, nil)
	})
	mux.HandleFunc("POST /v1/workloads/{name}/restart", func(w http.ResponseWriter, r *http.Request) {
		reply(w, struct{}{}, b.RestartWorkload(r.Context(), r.PathValue("name")))
	})
	operations(mux, b)
	switchRoutes(mux, b)
	snapshotRoutes(mux, b)
	loopRoutes(mux, b)
	return mux
}

// getState answers with the latest snapshot, or, with ?watch=1, with it and every newer one.
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

// getEvents answers with the events after ?since=SEQ, and with ?watch=1 goes on with what comes.
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

// getEndpoints answers with the service registry, and with ?watch=1 again after every change of it.
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
