// Package enginefake implements engine.Engine in memory, for tests: containers with scripted processes, images, networks, volumes,
// events and logs. Its results and error classes are those of Docker 20.10; the table in conformance_test.go runs against
// both. All waiting uses package time, so it runs in virtual time under testing/synctest. It has goroutines only for
// subscriptions, followed logs and running commands, which end with their contexts (or Close of the log).
//
// A test scripts processes with On, injects faults with Inject, and simulates external events with Exit, OOM, Print, Occupy,
// CutEvents, Down and Up.
package enginefake

import (
	"context"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lyandev/lyandev/supervisor/engine"
)

// Engine is the fake engine. Create it with New. It is safe for concurrent use.
type Engine struct {
	mu         sync.Mutex
	info       engine.Info
	faults     Faults
	scripts    []*rule
	containers map[string]*container
	images     map[string]*imageRecord
	registry   map[string]Image
	networks   map[string]*netRecord
	volumes    map[string]*volumeRecord
	occupied   map[netip.AddrPort]bool
	subs       map[*subscription]struct{}
	calls      []Call
	serial     uint64
	nextPort   uint16
	nextPID    int
	buildCache int64
	// warnings are what every creation of a container warns of.
	warnings []string
	// down is closed while the engine does not answer.
	down   chan struct{}
	isDown bool
}

var _ engine.Engine = (*Engine)(nil)

// New returns an engine without containers and images, with Docker's predefined networks.
func New() *Engine {
	e := &Engine{
		info: engine.Info{
			Version: "20.10.24", APIVersion: "1.41", OS: "linux", Arch: "amd64", CPUs: 4, MemoryBytes: 16 << 30,
			Local: true, BuildKit: true, Host: "unix:///var/run/docker.sock",
		},
		containers: map[string]*container{}, images: map[string]*imageRecord{}, registry: map[string]Image{},
		networks: map[string]*netRecord{}, volumes: map[string]*volumeRecord{}, occupied: map[netip.AddrPort]bool{},
		subs: map[*subscription]struct{}{}, nextPort: 32768, nextPID: 1000, down: make(chan struct{}),
	}
	e.addBuiltinNetworks()
	return e
}

// SetInfo changes what Info answers.
func (e *Engine) SetInfo(i engine.Info) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.info = i
}

// SetWarnings sets the warnings that every creation of a container returns.
func (e *Engine) SetWarnings(texts ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.warnings = texts
}

// Info implements engine.Engine.
func (e *Engine) Info(ctx context.Context) (engine.Info, error) {
	var out engine.Info
	err := e.call(ctx, "Info", "", func() error {
		out = e.info
		return nil
	})
	return out, wrap(err, "reach the Docker engine")
}

// Ping implements engine.Engine.
func (e *Engine) Ping(ctx context.Context) error {
	return wrap(e.call(ctx, "Ping", "", func() error { return nil }), "reach the Docker engine")
}

// Close implements engine.Engine.
func (e *Engine) Close() error { return nil }

// Down simulates a killed daemon: calls fail with engine.IsUnavailable, event streams and followed logs break. Containers keep
// running.
func (e *Engine) Down() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.isDown {
		return
	}
	e.isDown = true
	close(e.down)
	e.cut(errUnavailable("Cannot connect to the Docker daemon"))
}

// Up ends Down. With stopped, the containers have been stopped in between, as after a crash of a daemon without
// live-restore; then the engine starts those that their restart policy wants (always: also those that were stopped before;
// unless-stopped: not those).
func (e *Engine) Up(stopped bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.isDown {
		return
	}
	e.isDown, e.down = false, make(chan struct{})
	if !stopped {
		return
	}
	all := e.sorted()
	slices.Reverse(all) // the oldest first
	for _, c := range all {
		e.crash(c)
	}
	for _, c := range all {
		if c.state == engine.StateExited && c.run > 0 && c.wantsRestart() {
			c.byHand, c.restarts, c.backoff, c.script = false, 0, 0, e.scriptFor(c)
			_ = e.start(c) // the container says why not
		}
	}
}

// crash ends a container with the engine; e.mu is held.
func (e *Engine) crash(c *container) {
	byHand := c.byHand
	switch {
	case c.alive():
		c.byHand = true // no restart before the engine is back
		e.exit(c, Exit{Code: 0})
	case c.state == engine.StateRestarting:
		e.ended(c)
	}
	c.byHand = byHand
}

// call is the way into every method: it notes the call, runs the faults, and does the work under the lock.
func (e *Engine) call(ctx context.Context, method, object string, work func() error) error {
	c, err := e.enter(ctx, method, object)
	if err != nil {
		return err
	}
	e.mu.Lock()
	if e.isDown {
		e.mu.Unlock()
		return errUnavailable("Cannot connect to the Docker daemon")
	}
	err = work()
	lost := e.faults.Lost
	e.mu.Unlock()
	if err == nil && lost != nil {
		return lost(ctx, c)
	}
	return err
}

// enter notes a call and runs the faults in force.
func (e *Engine) enter(ctx context.Context, method, object string) (Call, error) {
	if err := ctx.Err(); err != nil {
		return Call{}, err
	}
	e.mu.Lock()
	c := Call{Method: method, Object: e.nameOf(object), Time: time.Now()}
	e.calls = append(e.calls, c)
	faults := []Fault{e.faults.Any, e.faults.of(method)}
	e.mu.Unlock()
	for _, f := range faults {
		if f == nil {
			continue
		}
		if err := f(ctx, c); err != nil {
			return c, err
		}
	}
	return c, nil
}

// nameOf is the name of a container or network given by name or ID, or the text itself; e.mu is held.
func (e *Engine) nameOf(object string) string {
	if c := e.find(object); c != nil {
		return c.name
	}
	if n := e.findNetwork(object); n != nil {
		return n.spec.Name
	}
	return object
}

// id makes a new identifier of 64 hexadecimal digits that is the same in every run; e.mu is held.
func (e *Engine) id() string {
	e.serial++
	return fmt.Sprintf("%012x%052x", e.serial, e.serial)
}

// matches says whether labels has all of want; an empty value asks only for the key.
func matches(labels, want map[string]string) bool {
	for k, v := range want {
		if have, ok := labels[k]; !ok || (v != "" && have != v) {
			return false
		}
	}
	return true
}

// glob matches a name or an image reference; "*" crosses slashes.
func glob(pattern, s string) bool {
	flat := strings.NewReplacer("/", "\x00")
	ok, err := path.Match(flat.Replace(pattern), flat.Replace(s))
	return err == nil && ok
}
