package operators

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/timeline"
)

const (
	// reconcileLimit bounds one Reconcile of an operator.
	reconcileLimit = 10 * time.Second
	// intervalNotRight is the time between two Reconciles while something is not right, intervalRight while everything is. After a
	// change of the pods the first intervals are intervalChanged, growing by half to intervalNotRight: a server that starts listens
	// within some tenths of a second.
	intervalNotRight = 500 * time.Millisecond
	intervalChanged  = 50 * time.Millisecond
	intervalRight    = 3 * time.Second
	// settleDelay is how long after a change of its pods an operator looks, so that several changes cause one look.
	settleDelay = 20 * time.Millisecond
)

// loop is one running operator.
type loop struct {
	name   string
	op     services.Operator
	ctx    context.Context
	cancel context.CancelCauseFunc
	wake   chan struct{}

	mu   sync.Mutex
	view services.View
	// key is the state of the pods that the operator was last woken for.
	key string
}

func newLoop(ctx context.Context, name string, op services.Operator, view services.View) *loop {
	ctx, cancel := context.WithCancelCause(ctx)
	return &loop{name: name, op: op, ctx: ctx, cancel: cancel, wake: make(chan struct{}, 1), view: view, key: podsKey(view.Pods)}
}

// run calls the operator until its context ends, then closes it.
func (l *loop) run(cfg Config) {
	defer closeOperator(l.op)
	timer := time.NewTimer(0)
	defer timer.Stop()
	notRight := intervalChanged
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-l.wake:
			notRight = intervalChanged
			select {
			case <-time.After(settleDelay):
			case <-l.ctx.Done():
				return
			}
		case <-timer.C:
		}
		view := l.current()
		look, cancel := context.WithTimeout(l.ctx, reconcileLimit)
		began := time.Now()
		v, err := l.op.Reconcile(look, view)
		cancel()
		if l.ctx.Err() != nil {
			return
		}
		if err != nil {
			cfg.Log.Debug("operator could not look", "operator", l.name, "error", err)
			v.Right, v.Message = false, err.Error()
			notRight = intervalNotRight
		}
		cfg.Times.Add(timeline.Span{
			Kind: timeline.Operator, Name: "look", Object: l.name, Start: began, End: time.Now(), Detail: v.Message, Failed: !v.Right,
		})
		cfg.Verdict(l.name, view, v)
		timer.Reset(interval(v, notRight))
		notRight = min(notRight*3/2, intervalNotRight)
	}
}

// interval is the time until the next Reconcile if no pod changes; notRight is that time while something is not right.
func interval(v services.Verdict, notRight time.Duration) time.Duration {
	next := notRight
	if v.Right {
		next = intervalRight
	}
	if v.Again > 0 {
		next = min(next, v.Again)
	}
	return next
}

// see replaces the view and wakes the operator if its pods changed.
func (l *loop) see(v services.View) {
	key := podsKey(v.Pods)
	l.mu.Lock()
	changed := l.key != key
	l.view, l.key = v, key
	l.mu.Unlock()
	if changed {
		l.wakeUp()
	}
}

// current is the latest view.
func (l *loop) current() services.View {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := l.view
	v.Now = time.Now()
	return v
}

// wakeUp makes the operator look after settleDelay.
func (l *loop) wakeUp() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// podsKey is what wakes an operator when it changes: which pods there are, their addresses, whether they are being deleted, and
// which containers run in them.
func podsKey(pods []*corev1.Pod) string {
	var key strings.Builder
	for _, p := range pods {
		fmt.Fprintf(&key, "%s %s %v;", p.UID, p.Status.PodIP, p.DeletionTimestamp != nil)
		for _, c := range p.Status.ContainerStatuses {
			fmt.Fprintf(&key, "%s %v,", c.ContainerID, c.State.Running != nil)
		}
	}
	return key.String()
}

// closeOperator ends the work that an operator has under way by itself, and waits for it.
func closeOperator(op services.Operator) {
	if c, ok := op.(io.Closer); ok {
		_ = c.Close()
	}
}
