package supervisor

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/agent"
	"github.com/lyandev/lyandev/supervisor/network"
	"github.com/lyandev/lyandev/supervisor/state"
)

// pushTimeout bounds one push; what waits for it goes on then.
const pushTimeout = time.Second

// afterNextPush runs f (in another goroutine) when the table of the present step has been pushed, or could not be. Called
// by the loop.
func (f *fabric) afterNextPush(fn func()) { f.queued = append(f.queued, fn) }

// offer gives the pusher the table of the world as it is. It costs little when nothing changed. Called by the loop.
func (f *fabric) offer(w *world) {
	queued := f.queued
	f.queued = nil
	if w.stack == nil {
		for _, fn := range queued {
			go fn()
		}
		return
	}
	table, notes := network.Table(f.view(w))
	raw, err := json.Marshal(table)
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(queued) == 0 && bytes.Equal(raw, f.last) {
		return
	}
	if err == nil && !bytes.Equal(raw, f.last) {
		for _, n := range notes {
			f.s.log.Warn(n)
		}
	}
	f.last, f.pending = raw, table
	f.after = append(f.after, queued...)
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// view is what the table and the registry are made from.
func (f *fabric) view(w *world) network.View {
	f.mu.Lock()
	defer f.mu.Unlock()
	v := network.View{Pods: sorted(w.pods), HostPorts: f.bound}
	if w.stack != nil {
		v.Services, v.Ingresses = w.services(), w.stack.Ingresses
	}
	if f.vips != nil {
		v.VIPs = f.vips.Held()
	}
	return v
}

// checkEvery is how often the agent is asked whether it is there although there is nothing to push: it may have lost its
// network, or hang.
const checkEvery = 5 * time.Second

// repushFirst and repushLast bound the wait after a push that failed.
const (
	repushFirst = 200 * time.Millisecond
	repushLast  = 5 * time.Second
)

// run pushes what is offered until ctx ends. A push that fails is tried again soon: the agent may be restarting, and its
// control port is another one then.
func (f *fabric) run(ctx context.Context) error {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if f.healthy(ctx) {
				continue
			}
		case <-f.wake:
		}
		f.pushAll(ctx)
	}
}

// pushAll pushes until it has succeeded. While something keeps the agent from coming back the tries become rare, but what is
// offered newly is tried at once.
func (f *fabric) pushAll(ctx context.Context) {
	for wait := repushFirst; f.pushOnce(ctx) != nil; {
		if f.agentTrouble() != "" {
			wait = min(2*wait, repushLast)
		}
		select {
		case <-ctx.Done():
			return
		case <-f.wake:
		case <-time.After(wait):
		}
	}
}

// healthy says that the agent answers, or that there is nothing to push to one.
func (f *fabric) healthy(ctx context.Context) bool {
	f.mu.Lock()
	client, table := f.client, f.pending
	f.mu.Unlock()
	if table == nil {
		return true
	}
	if client == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
	h, err := client.Health(ctx)
	if err == nil {
		f.noteWaiting(h)
	}
	return err == nil
}

// noteWaiting tells, with every look at the agent between which connections had to wait, that its limit is met.
func (f *fabric) noteWaiting(h agent.Health) {
	f.mu.Lock()
	more := h.Waited
	if f.instance == h.Instance {
		more -= f.waited
	}
	f.instance, f.waited = h.Instance, h.Waited
	before := f.crowded
	f.crowded = ""
	if more > 0 {
		f.crowded = fmt.Sprintf(state.ConnectionsWait+"the agent passes on %d at the same time, and %d more had to wait "+
			"in the last seconds; let the engine allow more open files (LimitNOFILE of docker.service), or open fewer connections", h.Limit, more)
	}
	now := f.crowded
	f.mu.Unlock()
	if before == "" && now != "" {
		f.s.event("Agent", f.s.cfg.Instance.Name, "Warning", "ConnectionLimit", "%s", now)
	}
	if before != now {
		f.s.post(func() {}) // a look, so that it is told
	}
}

// crowding is that the agent's limit of connections is met, "" while it is not.
func (f *fabric) crowding() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.crowded
}

func (f *fabric) pushOnce(ctx context.Context) error {
	f.mu.Lock()
	table, after, client := f.pending, f.after, f.client
	f.after = nil
	f.mu.Unlock()
	err := fmt.Errorf("cannot push the endpoint table: there is no agent")
	if client != nil && table != nil {
		ctx, cancel := context.WithTimeout(ctx, pushTimeout)
		_, err = client.Push(ctx, table)
		cancel()
	}
	for _, fn := range after {
		go fn()
	}
	if err != nil {
		f.s.log.Debug("push failed", "error", err)
		f.reconnect(ctx)
		return err
	}
	f.noteTrouble(nil)
	return nil
}

// agentChanged is told by the engine's events; a new agent serves its file, and is pushed to again.
func (f *fabric) agentChanged() { f.look() }

// look makes the pusher see whether the agent answers.
func (f *fabric) look() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pending == nil {
		return
	}
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// dial reaches an address in the pod network.
func (f *fabric) dial(ctx context.Context, netw, addr string) (net.Conn, error) {
	f.mu.Lock()
	d := f.dialer
	f.mu.Unlock()
	if d == nil {
		return nil, fmt.Errorf("cannot connect to %s: the network is not up yet", addr)
	}
	return d.DialContext(ctx, netw, addr)
}

// boundPorts are the host ports with the numbers really bound.
func (f *fabric) boundPorts() []services.HostPort {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []services.HostPort
	for _, b := range f.bound {
		out = append(out, b.Host)
	}
	return out
}

// remove takes away the agent and the network.
func (f *fabric) remove(ctx context.Context) error {
	if c, err := f.findAgent(ctx); err != nil {
		return err
	} else if c != nil {
		if err := f.s.cfg.Engine.KillContainer(ctx, c.ID, "SIGKILL"); err != nil {
			return err
		}
		if err := f.s.cfg.Engine.RemoveContainer(ctx, c.ID); err != nil {
			return err
		}
	}
	list, err := f.s.cfg.Engine.ListNetworks(ctx, map[string]string{services.ProjectLabel: f.s.cfg.Instance.Name})
	if err != nil {
		return err
	}
	for _, n := range list {
		if err := f.s.cfg.Engine.RemoveNetwork(ctx, n.ID); err != nil {
			return err
		}
	}
	return nil
}

// gateway is the host's address in the network, "" before it is up.
func (f *fabric) gateway() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.layout.Gateway.IsValid() {
		return ""
	}
	return f.layout.Gateway.String()
}

// Endpoints is the service registry as of the latest snapshot.
func (s *Supervisor) Endpoints() network.Registry {
	snap := s.store.Latest()
	s.fabric.mu.Lock()
	v := network.View{Services: snap.Services, Pods: snap.Pods, HostPorts: s.fabric.bound}
	if s.fabric.vips != nil {
		v.VIPs = s.fabric.vips.Held()
	}
	s.fabric.mu.Unlock()
	return network.NewRegistry(snap.Project, v)
}
