package reaper

import (
	"bufio"
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lyandev/lyandev/supervisor/engine"
)

// pipes is a listener of connections in memory, which synctest can follow.
type pipes struct {
	ch   chan net.Conn
	once sync.Once
	done chan struct{}
}

func newPipes() *pipes { return &pipes{ch: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.ch:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// dial connects; nil when nobody listens any more.
func (p *pipes) dial() net.Conn {
	here, there := net.Pipe()
	select {
	case p.ch <- there:
		return here
	case <-p.done:
		return nil
	}
}

// send writes a line and says whether it was acknowledged within a second.
func send(t *testing.T, c net.Conn, line string) bool {
	t.Helper()
	if _, err := c.Write([]byte(line + "\n")); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(time.Second))
	answer, err := bufio.NewReader(c).ReadString('\n')
	return err == nil && answer == "ACK\n"
}

// world is an engine's objects by name, each with its labels.
type world struct {
	mu                            sync.Mutex
	containers, networks, volumes map[string]map[string]string
	images                        map[string]map[string]string
	order                         []string
	busy                          map[string]int // how often a removal fails
	late                          map[string]map[string]string
	listErr                       error
}

func newWorld() *world {
	labels := func() map[string]string { return map[string]string{"session": "1", "reap": "true"} }
	return &world{
		containers: map[string]map[string]string{
			"c1": labels(), "c2": labels(), "other": {"session": "2"}, "ryuk": {"session": "1", "reap": "true", ryukLabel: "true"},
		},
		networks: map[string]map[string]string{"n1": labels(), "bridge": nil},
		volumes:  map[string]map[string]string{"v1": labels(), "data": {"session": "2"}},
		images:   map[string]map[string]string{"i1": labels(), "base": nil},
		busy:     map[string]int{},
	}
}

func matching(objects map[string]map[string]string, f map[string]string) []string {
	var out []string
	for name, labels := range objects {
		ok := true
		for k, v := range f {
			have, there := labels[k]
			ok = ok && there && (v == "" || v == have)
		}
		if ok {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func (w *world) remove(objects map[string]map[string]string, name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy[name] > 0 {
		w.busy[name]--
		return errors.New(name + " is in use")
	}
	delete(objects, name)
	w.order = append(w.order, name)
	for n, l := range w.late { // a request that was under way is answered only now
		w.containers[n] = l
	}
	w.late = nil
	return nil
}

func (w *world) ListContainers(_ context.Context, f map[string]string) ([]engine.Container, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []engine.Container
	for _, n := range matching(w.containers, f) {
		out = append(out, engine.Container{ID: n, Labels: w.containers[n]})
	}
	return out, w.listErr
}

func (w *world) ListNetworks(_ context.Context, f map[string]string) ([]engine.Network, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []engine.Network
	for _, n := range matching(w.networks, f) {
		out = append(out, engine.Network{ID: n})
	}
	return out, nil
}

func (w *world) ListVolumes(_ context.Context, f map[string]string) ([]engine.Volume, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []engine.Volume
	for _, n := range matching(w.volumes, f) {
		out = append(out, engine.Volume{Name: n})
	}
	return out, nil
}

func (w *world) ListImages(_ context.Context, f map[string]string) ([]engine.Image, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []engine.Image
	for _, n := range matching(w.images, f) {
		out = append(out, engine.Image{ID: "sha256:" + n, Tags: []string{n}})
	}
	return out, nil
}

func (w *world) RemoveContainer(_ context.Context, id string) error {
	return w.remove(w.containers, id)
}

func (w *world) RemoveNetwork(_ context.Context, id string) error { return w.remove(w.networks, id) }

func (w *world) RemoveVolume(_ context.Context, n string) error { return w.remove(w.volumes, n) }

func (w *world) RemoveImage(_ context.Context, ref string) error { return w.remove(w.images, ref) }

func (w *world) removed() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.order, " ")
}

const session1 = "label=session=1&label=reap=true"

// play runs a reaper with the default times and hands a test its clients and the time at which it ended.
func play(t *testing.T, w *world, test func(ctx context.Context, p *pipes, ended <-chan error)) {
	synctest.Test(t, func(t *testing.T) {
		conf, err := ConfigFromEnv(func(string) string { return "" })
		if err != nil {
			t.Fatal(err)
		}
		conf.Engine, conf.Log = w, slog.New(slog.DiscardHandler)
		p := newPipes()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- Run(ctx, conf, p) }()
		test(ctx, p, ended)
		synctest.Wait()
	})
}

func notEnded(t *testing.T, ended <-chan error) {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-ended:
		t.Fatalf("the reaper has ended: %v", err)
	default:
	}
}

func TestPrunesWhenTheLastClientHasBeenGone(t *testing.T) {
	w := newWorld()
	play(t, w, func(_ context.Context, p *pipes, ended <-chan error) {
		a, b := p.dial(), p.dial()
		if !send(t, a, session1) || !send(t, b, session1) {
			t.Fatal("a filter was not acknowledged")
		}
		_ = a.Close()
		time.Sleep(time.Hour) // in the bubble's time
		notEnded(t, ended)
		_ = b.Close()
		time.Sleep(9 * time.Second)
		notEnded(t, ended)
		if got := w.removed(); got != "" {
			t.Errorf("removed %s too soon", got)
		}
		time.Sleep(2 * time.Second)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if got := w.removed(); got != "c1 c2 n1 v1 i1" {
			t.Errorf("removed %q; want what matches, and never a reaper", got)
		}
	})
}

func TestAClientThatComesBackInTimeStopsTheCount(t *testing.T) {
	w := newWorld()
	play(t, w, func(_ context.Context, p *pipes, ended <-chan error) {
		a := p.dial()
		send(t, a, session1)
		_ = a.Close()
		time.Sleep(9 * time.Second)
		b := p.dial()
		time.Sleep(time.Minute)
		notEnded(t, ended)
		_ = b.Close()
		began := time.Now()
		<-ended
		if got := time.Since(began); got != 10*time.Second {
			t.Errorf("ended %s after the last client left; want 10s", got)
		}
		if w.removed() == "" {
			t.Error("the first client's filter was forgotten")
		}
	})
}

func TestEndsWithoutAClient(t *testing.T) {
	w := newWorld()
	play(t, w, func(_ context.Context, p *pipes, ended <-chan error) {
		began := time.Now()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if got := time.Since(began); got != time.Minute {
			t.Errorf("ended after %s; want 1m", got)
		}
		if p.dial() != nil {
			t.Error("it still listens")
		}
	})
}

func TestALineThatCannotBeUsedIsNotAcknowledged(t *testing.T) {
	w := newWorld()
	play(t, w, func(_ context.Context, p *pipes, ended <-chan error) {
		a := p.dial()
		for _, line := range []string{"", "name=c1", "label="} {
			if send(t, a, line) {
				t.Errorf("the line %q was acknowledged", line)
			}
		}
		if !send(t, a, "label=session=2") {
			t.Error("a line that follows was not acknowledged")
		}
		_ = a.Close()
		<-ended
		if got := w.removed(); got != "other data" {
			t.Errorf("removed %q; want the second session's", got)
		}
	})
}

func TestAStopWithClientsRemovesNothing(t *testing.T) {
	w := newWorld()
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		conf := Config{Engine: w, ConnectionTimeout: time.Minute, ReconnectionTimeout: time.Second, Log: slog.New(slog.DiscardHandler)}
		go func() { ended <- Run(ctx, conf, p) }()
		a := p.dial()
		send(t, a, session1)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if got := w.removed(); got != "" {
			t.Errorf("removed %s while a client was at work", got)
		}
	})
}

func TestPruneLooksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.busy["v1"], w.busy["n1"] = 3, 1
		w.late = map[string]map[string]string{"c3": {"session": "1", "reap": "true"}}
		began := time.Now()
		got, err := Prune(t.Context(), w, []Filter{{"session": "1", "reap": "true"}})
		if err != nil || got != (Removed{Containers: 3, Networks: 1, Volumes: 1, Images: 1}) {
			t.Errorf("Prune = %v, %v (%s)", got, err, w.removed())
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("took %s; want a pause of a second after each of three passes with errors", took)
		}
	})
}

func TestPruneGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.busy["v1"] = 1000
		got, err := Prune(t.Context(), w, []Filter{{"session": "1"}, {"nobody": "has"}})
		if err == nil || !strings.Contains(err.Error(), "v1 is in use") || got.Containers != 2 {
			t.Errorf("Prune = %v, %v", got, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		if _, err := Prune(ctx, w, []Filter{{"session": "1"}}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Prune did not honour its context: %v", err)
		}
	})
}

func TestPruneWithoutAFilterRemovesNothing(t *testing.T) {
	w := newWorld()
	if got, err := Prune(t.Context(), w, []Filter{{}, nil}); err != nil || !got.none() || w.removed() != "" {
		t.Errorf("Prune = %v, %v, removed %q", got, err, w.removed())
	}
}

func TestConfigFromEnv(t *testing.T) {
	env := map[string]string{"RYUK_CONNECTION_TIMEOUT": "5s", "RYUK_RECONNECTION_TIMEOUT": "200ms"}
	conf, err := ConfigFromEnv(func(k string) string { return env[k] })
	if err != nil || conf.ConnectionTimeout != 5*time.Second || conf.ReconnectionTimeout != 200*time.Millisecond {
		t.Errorf("ConfigFromEnv = %+v, %v", conf, err)
	}
	for _, bad := range []string{"5", "-1s", "soon"} {
		if _, err := ConfigFromEnv(func(string) string { return bad }); err == nil {
			t.Errorf("a time of %q was accepted", bad)
		}
	}
}
