package podnet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/network"
)

const (
	// pushTimeout bounds one push, and one question whether the agent is there.
	pushTimeout = time.Second
	// ackLimit bounds the wait for an acknowledgement of a table: what waits for one goes on then.
	ackLimit = 3 * time.Second
	// checkEvery is how often the agent is asked whether it is there although there is nothing to push (it may have lost its
	// network, or hang), and how often the engine is asked who is in the network.
	checkEvery = 5 * time.Second
	// repushFirst and repushLast bound the wait after a push that failed.
	repushFirst = 200 * time.Millisecond
	repushLast  = 5 * time.Second
)

// waiting is a function that waits until a table has been acknowledged, for the sake of a pod ("": of none).
type waiting struct {
	pod   string
	fn    func()
	until time.Time
	// seq counts those that were queued.
	seq uint64
}

// AfterNextPush makes Run call fn once the agent has acknowledged the table of the present step; pod is whose end waits for
// it, "" nobody's. It never waits for ever: fn is called as well when the agent is known not to run (Trouble says why), and
// ackLimit (3 s) after the call, with a warning event on the pod. fn must not block. Called by the loop, before Offer.
func (n *Network) AfterNextPush(pod string, fn func()) {
	n.queued = append(n.queued, waiting{pod: pod, fn: fn, until: time.Now().Add(ackLimit)})
}

// Offer gives Run the table of a view; nil says that there is no stack and so no table. It costs little when nothing
// changed, and blocks for nothing. Called by the loop.
func (n *Network) Offer(view *network.View) {
	queued := n.queued
	n.queued = nil
	if view == nil {
		n.enqueue(queued)
		return
	}
	table, notes := network.Table(n.Complete(*view))
	raw, err := json.Marshal(table)
	if err != nil {
		n.log.Error("cannot encode the endpoint table", "error", err)
	}
	n.mu.Lock()
	same := bytes.Equal(raw, n.last)
	if !same {
		n.last, n.pending = raw, table
	}
	n.mu.Unlock()
	if same && len(queued) == 0 {
		return
	}
	if !same {
		for _, note := range notes {
			n.log.Warn(note)
		}
	}
	n.enqueue(queued)
	signal(n.wake)
}

// enqueue adds to what waits for an acknowledgement.
func (n *Network) enqueue(list []waiting) {
	if len(list) == 0 {
		return
	}
	n.mu.Lock()
	for _, w := range list {
		n.seq++
		w.seq = n.seq
		n.after = append(n.after, w)
	}
	n.mu.Unlock()
	signal(n.wake)
	signal(n.queue)
}

// signal puts a message into a channel of one place, unless there is one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run pushes what is offered, and keeps agent and network in order, until ctx ends; then it returns nil. Nothing that it
// started goes on after that.
func (n *Network) Run(ctx context.Context) error {
	var all sync.WaitGroup
	all.Go(func() { n.releaseOverdue(ctx) })
	all.Go(func() { n.memberLoop(ctx) })
	n.pushLoop(ctx)
	all.Wait()
	return nil
}

// pushLoop pushes until ctx ends. A push that fails is tried again soon: the agent may be restarting, and its control port is
// another one then.
func (n *Network) pushLoop(ctx context.Context) {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if n.healthy(ctx) {
				continue
			}
		case <-n.wake:
		}
		n.pushAll(ctx)
	}
}

// pushAll pushes until it has succeeded. While something keeps the agent from coming back the tries become rare, but what is
// offered newly is tried at once.
func (n *Network) pushAll(ctx context.Context) {
	for wait := repushFirst; n.pushOnce(ctx) != nil; {
		if n.Trouble() != "" {
			wait = min(2*wait, repushLast)
		}
		select {
		case <-ctx.Done():
			return
		case <-n.wake:
		case <-time.After(wait):
		}
	}
}

// healthy says that the agent answers, or that there is nothing to push to one.
func (n *Network) healthy(ctx context.Context) bool {
	n.mu.Lock()
	client, table, agentless := n.client, n.pending, n.agentless
	n.mu.Unlock()
	if table == nil || agentless {
		return true
	}
	if client == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
	h, err := client.Health(ctx)
	if err == nil {
		n.noteHealth(h)
	}
	return err == nil
}

// pushOnce pushes the latest table, and calls what waited for it. If that fails it brings the agent back; what waits goes on
// waiting, unless it is known that there is no agent.
func (n *Network) pushOnce(ctx context.Context) error {
	n.mu.Lock()
	table, client, seq, agentless := n.pending, n.client, n.seq, n.agentless
	n.mu.Unlock()
	covered := func(w waiting) bool { return w.seq <= seq }
	if table == nil || agentless { // there is no agent that sends anybody to a pod
		call(n.release(covered))
		return nil
	}
	err := errors.New("cannot push the endpoint table: there is no agent")
	if client != nil {
		limited, cancel := context.WithTimeout(ctx, pushTimeout)
		_, err = client.Push(limited, table)
		cancel()
	}
	if err == nil {
		call(n.release(covered))
		n.setTrouble(nil)
		return nil
	}
	n.log.Debug("push failed", "error", err)
	n.revive(ctx)
	if n.Trouble() != "" {
		call(n.release(func(waiting) bool { return true }))
	}
	return err
}

func call(list []waiting) {
	for _, w := range list {
		w.fn()
	}
}

// release removes from what waits those that which says, and returns them.
func (n *Network) release(which func(waiting) bool) (taken []waiting) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var rest []waiting
	for _, w := range n.after {
		if which(w) {
			taken = append(taken, w)
		} else {
			rest = append(rest, w)
		}
	}
	n.after = rest
	return taken
}

// releaseOverdue calls, until ctx ends, what has waited for an acknowledgement for ackLimit, and says so.
func (n *Network) releaseOverdue(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.queue:
		case <-timer.C:
		}
		now := time.Now()
		late := n.release(func(w waiting) bool { return !now.Before(w.until) })
		for _, w := range late {
			if w.pod != "" {
				n.cfg.Event("Pod", w.pod, corev1.EventTypeWarning, "NotDrained", fmt.Sprintf(
					"the agent did not acknowledge the endpoint table without the pod in %s; the pod is stopped, and connections to it may fail", ackLimit))
			}
		}
		call(late)
		if next, ok := n.nextOverdue(); ok {
			timer.Reset(time.Until(next))
		}
	}
}

// nextOverdue is when the first of what waits has waited for ackLimit.
func (n *Network) nextOverdue() (first time.Time, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, w := range n.after {
		if !ok || w.until.Before(first) {
			first, ok = w.until, true
		}
	}
	return first, ok
}

// Look makes Run see soon whether the agent answers: the engine came back, or the agent started or ended.
func (n *Network) Look() {
	n.mu.Lock()
	offered := n.pending != nil
	n.mu.Unlock()
	if offered {
		signal(n.wake)
	}
}

// DialContext connects to an address in the network, or to a name of the stack. Without an agent it connects directly, which
// works only where the host has a route to the container.
func (n *Network) DialContext(ctx context.Context, netw, addr string) (net.Conn, error) {
	n.mu.Lock()
	client, agentless := n.client, n.agentless
	n.mu.Unlock()
	if agentless {
		return new(net.Dialer).DialContext(ctx, netw, addr)
	}
	if client == nil {
		return nil, fmt.Errorf("cannot connect to %s: the network is not up yet", addr)
	}
	return client.DialContext(ctx, netw, addr)
}
