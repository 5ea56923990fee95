package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/network"
	"github.com/lyandev/lyandev/supervisor/socket"
	"github.com/lyandev/lyandev/supervisor/state"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a Backend with func fields.
type fake struct {
	store      *state.Store
	events     *state.Events
	apply      func(ctx context.Context, r ApplyRequest) error
	applied    uint64
	restart    func(name string) error
	controlled []ControlRequest
	mu         sync.Mutex
	stops      int
	reg        network.Registry
}

func (f *fake) Store() *state.Store   { return f.store }
func (f *fake) Events() *state.Events { return f.events }
func (f *fake) Apply(ctx context.Context, r ApplyRequest) (ApplyAnswer, error) {
	return ApplyAnswer{Applied: f.applied, Warnings: []string{"a volume is not as the file says"}}, f.apply(ctx, r)
}

func (f *fake) Control(_ context.Context, r ControlRequest) error {
	f.controlled = append(f.controlled, r)
	return nil
}
func (f *fake) RestartWorkload(_ context.Context, name string) error { return f.restart(name) }
func (f *fake) Stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stops++
}

func (f *fake) Endpoints() network.Registry {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reg
}

// served is a server on a socket of its own; end stops it and says how long that took.
type served struct {
	*fake
	client *Client
	socket string
	end    func() (time.Duration, error)
}

func serve(t *testing.T) *served {
	t.Helper()
	f := &fake{
		store: state.NewStore(&state.Status{Project: "shop", Phase: state.Starting}), events: state.NewEvents(),
		apply:   func(context.Context, ApplyRequest) error { return nil },
		restart: func(string) error { return nil },
	}
	path := filepath.Join(t.TempDir(), "in", "sock")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, l, f, slog.New(slog.DiscardHandler)) }()
	c := NewClient(path)
	s := &served{fake: f, client: c, socket: path}
	s.end = sync.OnceValues(func() (time.Duration, error) {
		began := time.Now()
		cancel()
		err := <-done
		return time.Since(began), err
	})
	t.Cleanup(func() {
		_, _ = s.end()
		c.http.CloseIdleConnections()
	})
	return s
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestState(t *testing.T) {
	s := serve(t)
	got, err := s.client.State(t.Context())
	ok(t, err)
	if got.Project != "shop" || got.Phase != state.Starting || !s.client.Alive(t.Context()) {
		t.Errorf("%+v", got)
	}
}

func TestWatchState(t *testing.T) {
	s := serve(t)
	var seen []string
	err := s.client.WatchState(t.Context(), func(sn *state.Status) bool {
		seen = append(seen, fmt.Sprint(sn.Seq, " ", sn.Phase))
		switch len(seen) {
		case 1:
			s.store.Publish(&state.Status{Phase: state.Ready})
		case 2:
			s.store.Publish(&state.Status{Phase: state.Degraded})
		}
		return len(seen) < 3
	})
	if got := strings.Join(seen, ", "); err != nil || got != "0 starting, 1 ready, 2 degraded" {
		t.Errorf("%s, %v", got, err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	err = s.client.WatchState(ctx, func(*state.Status) bool { cancel(enough); return true })
	if !errors.Is(err, enough) {
		t.Errorf("after the end of ctx: %v", err)
	}
}

func TestEvents(t *testing.T) {
	s := serve(t)
	at := time.Now()
	s.events.Add(at, "Pod", "a", "Normal", "Pulled", "")
	s.events.Add(at, "Pod", "a", "Normal", "Started", "")
	list, err := s.client.Events(t.Context(), 1)
	ok(t, err)
	if len(list) != 1 || list[0].Reason != "Started" || list[0].Seq != 2 {
		t.Errorf("%+v", list)
	}
	if list, err := s.client.Events(t.Context(), 2); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	var seen []string
	err = s.client.WatchEvents(t.Context(), 0, func(e state.Event) bool {
		seen = append(seen, fmt.Sprint(e.Reason, e.Count))
		if len(seen) == 2 {
			s.events.Add(at, "Pod", "a", "Normal", "Pulled", "")
		}
		return len(seen) < 3
	})
	if got := strings.Join(seen, " "); err != nil || got != "Pulled1 Started1 Pulled2" {
		t.Errorf("%s, %v", got, err)
	}
}

func TestEndpoints(t *testing.T) {
	s := serve(t)
	s.reg = network.Registry{Project: "shop"}
	got, err := s.client.Endpoints(t.Context())
	if err != nil || got.Project != "shop" {
		t.Errorf("%+v, %v", got, err)
	}
	var seen []string
	err = s.client.WatchEndpoints(t.Context(), func(r *network.Registry) bool {
		seen = append(seen, r.Project)
		s.store.Publish(&state.Status{}) // nothing new in the registry: not told
		s.mu.Lock()
		s.reg.Project += "2"
		s.mu.Unlock()
		s.store.Publish(&state.Status{})
		return len(seen) < 2
	})
	if got := strings.Join(seen, " "); err != nil || got != "shop shop2" {
		t.Errorf("%s, %v", got, err)
	}
}

func TestApply(t *testing.T) {
	s := serve(t)
	var got ApplyRequest
	s.apply = func(_ context.Context, r ApplyRequest) error { got = r; return nil }
	s.applied = 7
	applied, err := s.client.Apply(t.Context(), ApplyRequest{Stack: &services.Stack{Name: "shop", Profile: "lean"}, PortsAuto: true, NoBuild: true})
	ok(t, err)
	if applied.Applied != 7 || len(applied.Warnings) != 1 {
		t.Errorf("the answer became %+v", applied)
	}
	if got.Stack.Profile != "lean" || !got.PortsAuto || !got.NoBuild || got.Build {
		t.Errorf("%+v", got)
	}
	s.apply = func(context.Context, ApplyRequest) error {
		return errors.New("cannot bind 127.0.0.1:8000: \"redis\" (process 7) has it\nuse --ports-auto")
	}
	_, err = s.client.Apply(t.Context(), ApplyRequest{Stack: &services.Stack{}})
	if err == nil || err.Error() != "cannot bind 127.0.0.1:8000: \"redis\" (process 7) has it\nuse --ports-auto" {
		t.Errorf("the error became %v", err)
	}
	if _, err := s.client.Apply(t.Context(), ApplyRequest{}); err == nil || err.Error() != "cannot apply: the request has no stack" {
		t.Errorf("without a stack: %v", err)
	}
}

// TestApplyEndsWithItsCaller cancels a long apply: the backend's context ends too.
func TestApplyEndsWithItsCaller(t *testing.T) {
	s := serve(t)
	begun, ended := make(chan struct{}), make(chan struct{})
	s.apply = func(ctx context.Context, _ ApplyRequest) error {
		close(begun)
		<-ctx.Done()
		close(ended)
		return ctx.Err()
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-begun; cancel() }()
	if _, err := s.client.Apply(ctx, ApplyRequest{Stack: &services.Stack{}}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the backend goes on")
	}
}

func TestStopAndRestart(t *testing.T) {
	s := serve(t)
	ok(t, s.client.Stop(t.Context()))
	ok(t, s.client.Stop(t.Context()))
	if s.stops != 2 {
		t.Errorf("%d stops", s.stops)
	}
	var name string
	s.restart = func(n string) error { name = n; return nil }
	ok(t, s.client.Restart(t.Context(), "web/x y"))
	if name != "web/x y" {
		t.Errorf("restarted %q", name)
	}
	s.restart = func(string) error { return errors.New("no workload web") }
	if err := s.client.Restart(t.Context(), "web"); err == nil || err.Error() != "no workload web" {
		t.Errorf("got %v", err)
	}
}

// raw sends a raw request.
func (s *served) raw(t *testing.T, method, path string, body io.Reader) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://lyandev"+path, body)
	ok(t, err)
	resp, err := s.client.http.Do(req)
	ok(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	ok(t, err)
	return resp.StatusCode, string(b)
}

func TestBadRequests(t *testing.T) {
	s := serve(t)
	tooBig := io.MultiReader(strings.NewReader(`{"stack":{"name":"`), io.LimitReader(letters{}, maxBody))
	for _, tc := range []struct {
		method, path string
		body         io.Reader
		code         int
		text         string
	}{
		{"PUT", "/v1/stack", strings.NewReader(`{"stack":`), 400, "cannot read the request: unexpected EOF"},
		{"PUT", "/v1/stack", strings.NewReader(`[]`), 400, "cannot read the request: "},
		{"PUT", "/v1/stack", tooBig, 400, "http: request body too large"},
		{"GET", "/v1/stack", nil, 405, "Method Not Allowed"},
		{"GET", "/v2/state", nil, 404, "404 page not found"},
		{"POST", "/v1/state", nil, 405, "Method Not Allowed"},
	} {
		code, text := s.raw(t, tc.method, tc.path, tc.body)
		if code != tc.code || !strings.Contains(text, tc.text) {
			t.Errorf("%s %s: %d %.200s, want %d %s", tc.method, tc.path, code, text, tc.code, tc.text)
		}
	}
}

// letters is a text that does not end.
type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}

func TestOnlyTheUserMayConnect(t *testing.T) {
	s := serve(t)
	for path, want := range map[string]os.FileMode{s.socket: 0o600, filepath.Dir(s.socket): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

func TestListenReplacesADeadSocket(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "in")
	ok(t, os.Mkdir(dir, 0o700))
	path := filepath.Join(dir, "sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	ok(t, err)
	l.SetUnlinkOnClose(false)
	ok(t, l.Close())
	again, err := Listen(path)
	ok(t, err)
	ok(t, again.Close())
	if _, err := Listen(filepath.Join(dir, strings.Repeat("x", 120))); err == nil || !strings.Contains(err.Error(), "cannot listen on ") {
		t.Errorf("too long a path: %v", err)
	}
}

func TestNobodyThere(t *testing.T) {
	c := NewClient(filepath.Join(t.TempDir(), "sock"))
	if _, err := c.State(t.Context()); !errors.Is(err, ErrNoSupervisor) || !strings.Contains(err.Error(), c.socket) {
		t.Errorf("got %v", err)
	}
	if c.Alive(t.Context()) {
		t.Error("alive")
	}
	if err := c.WatchState(t.Context(), func(*state.Status) bool { return true }); !errors.Is(err, ErrNoSupervisor) {
		t.Errorf("watch: %v", err)
	}
}

// TestServeEndsWithAWatcherAttached: the watcher still gets the last snapshot, and the server does not wait for it.
func TestServeEndsWithAWatcherAttached(t *testing.T) {
	s := serve(t)
	watching := make(chan struct{})
	last := make(chan state.Phase, 1)
	done := make(chan error, 1)
	go func() {
		var phase state.Phase
		first := sync.OnceFunc(func() { close(watching) })
		done <- s.client.WatchState(context.Background(), func(sn *state.Status) bool { phase = sn.Phase; first(); return true })
		last <- phase
	}()
	<-watching
	s.store.Publish(&state.Status{Phase: state.Stopped})
	took, err := s.end()
	if err != nil || took > 1500*time.Millisecond {
		t.Errorf("ended after %v with %v", took, err)
	}
	if err := <-done; !errors.Is(err, ErrNoSupervisor) {
		t.Errorf("the watcher got %v", err)
	}
	if p := <-last; p != state.Stopped {
		t.Errorf("the last phase seen was %s", p)
	}
}

// TestServeEndsWithinItsBound: a request that does not end keeps the server 2 s, and not longer.
func TestServeEndsWithinItsBound(t *testing.T) {
	s := serve(t)
	begun, release := make(chan struct{}), make(chan struct{})
	s.apply = func(context.Context, ApplyRequest) error { close(begun); <-release; return nil }
	done := make(chan error, 1)
	go func() {
		_, err := s.client.Apply(context.Background(), ApplyRequest{Stack: &services.Stack{}})
		done <- err
	}()
	<-begun
	took, err := s.end()
	if took < 2*time.Second || took > 4*time.Second || err != nil {
		t.Errorf("ended after %v with %v", took, err)
	}
	if err := <-done; !errors.Is(err, ErrNoSupervisor) {
		t.Errorf("its caller got %v", err)
	}
	close(release)
}

// TestServeDoesNotWaitForTheSilent: a client that has connected and asks nothing keeps the server no longer than an idle one.
func TestServeDoesNotWaitForTheSilent(t *testing.T) {
	s := serve(t)
	conn, err := net.Dial("unix", s.socket)
	ok(t, err)
	defer func() { _ = conn.Close() }()
	ok(t, s.client.Stop(t.Context())) // the server has accepted the connection before this one
	if took, err := s.end(); err != nil || took > 1500*time.Millisecond {
		t.Errorf("ended after %v with %v", took, err)
	}
}

// TestNobodyElsesSocket has a directory in place of the socket's that everybody may write, as another user could have made
// it in the directory for temporary files: the supervisor must not listen there, and a client must not send a stack there.
func TestNobodyElsesSocket(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sock")
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if l, err := Listen(path); !errors.Is(err, socket.ErrUnsafe) || !strings.Contains(err.Error(), "remove "+dir) {
		t.Errorf("the supervisor listens: %v, %v", l, err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got := make(chan struct{}, 10)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			got <- struct{}{}
			_ = c.Close()
		}
	}()
	_, err = NewClient(path).Apply(t.Context(), ApplyRequest{Stack: &services.Stack{}})
	if !errors.Is(err, socket.ErrUnsafe) || errors.Is(err, ErrNoSupervisor) {
		t.Errorf("the client says %v", err)
	}
	if len(got) > 0 {
		t.Error("the client connected")
	}
}
