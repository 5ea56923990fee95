// Package mariadb sets up replication between MariaDB servers, one master and its slaves, and reports their state.
//
// The master is the declared one (option role, else MARIADB_REPLICATION_MODE) until a promotion changes it. A promotion is
// recorded in the table lyandev.topology, which is replicated and copied with the data. The record with the highest epoch
// wins, so an old master that returns becomes a slave. Every server stays read-only until it is known to be the master.
// The server's own data (server_id, which data it was attached to) is in lyandev_local.identity, which is not replicated.
//
// Each Reconcile observes, decides, acts and observes again. Decide and Judge are pure functions of the observed Facts.
package mariadb

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
)

// Operator is the MariaDB operator of one stack. The zero value is ready to use; Close ends background work.
type Operator struct {
	// Log receives each step; nil disables logging.
	Log *slog.Logger
	// VerifyEvery is the interval at which slaves' rows are compared with the master's. Default: 2 min.
	VerifyEvery time.Duration

	turn  sync.Once
	token chan struct{} // held by the call that may change the servers
	jobs  sync.WaitGroup

	mu     sync.Mutex // guards the fields below; never held during a call to a server
	memory memory
}

var _ services.Operator = (*Operator)(nil)

// New returns an operator.
func New() *Operator { return &Operator{} }

// maxRounds limits the observations per call: after basic setup, roles and attachment, and one for the result.
const maxRounds = 4

// settle is the delay between acting and observing again: replication threads need about that long to connect.
const settle = 150 * time.Millisecond

// Reconcile observes every server and does the steps of Decide until none is left or ctx ends. Seeding runs in the background;
// its progress is in the verdicts. See services.Operator.
func (o *Operator) Reconcile(ctx context.Context, view services.View) (services.Verdict, error) {
	release, busy := o.tryTurn()
	if release == nil {
		return o.busyVerdict(busy), nil
	}
	defer release()
	return o.reconcile(ctx, view)
}

func (o *Operator) reconcile(ctx context.Context, view services.View) (services.Verdict, error) {
	r := o.newRound(view)
	defer r.close()
	for n := 1; ; n++ {
		if err := o.look(ctx, r); err != nil {
			return services.Verdict{}, err
		}
		steps := Decide(&r.facts)
		if n == 1 {
			o.countStrikes(&r.facts, steps)
		}
		if n == maxRounds || len(steps) == 0 || ctx.Err() != nil {
			break
		}
		o.actAll(ctx, r, steps)
		if err := pause(ctx, settle); err != nil {
			break
		}
	}
	o.disconnectStragglers(ctx, r)
	o.verify(ctx, r)
	return o.conclude(Judge(&r.facts), r), nil
}

// conclude completes a verdict: it applies grace, keeps the last known facts and sets the delay until the next call.
func (o *Operator) conclude(v services.Verdict, r *round) services.Verdict {
	v = o.soften(v, time.Now())
	v.Again = againAfter(v, &r.facts)
	o.mu.Lock()
	defer o.mu.Unlock()
	if v.Facts == nil {
		v.Facts = o.memory.facts
	}
	o.memory.facts, o.memory.last = v.Facts, v
	return v
}

// straggle is the time after a promotion until clients of the old master are disconnected a second time. Clients that
// reconnected to it before the Service moved would otherwise keep a connection that cannot write.
const straggle = 2 * time.Second

func (o *Operator) disconnectStragglers(ctx context.Context, r *round) {
	o.mu.Lock()
	pod, due := o.memory.handed, o.memory.handed != "" && time.Since(o.memory.handedAt) > straggle
	if due {
		o.memory.handed = ""
	}
	o.mu.Unlock()
	s := r.sessions[pod]
	if !due || s == nil || s.db == nil || elect(&r.facts).Master == pod {
		return
	}
	conn, err := s.db.Conn(ctx)
	if err == nil {
		err = disconnectClients(ctx, conn)
		_ = conn.Close()
	}
	if err != nil {
		o.log().Warn("cannot disconnect the clients of the old master", "pod", pod, "err", err)
	}
}

// againAfter returns a short delay until the next call while a slave is being attached or seeded.
func againAfter(v services.Verdict, f *Facts) time.Duration {
	if v.Right {
		return 0
	}
	for _, s := range f.Servers {
		if s.Reached {
			return 300 * time.Millisecond
		}
	}
	return 0
}

// actAll does the steps in order. After a failed step the remaining steps of its pod are skipped, those of others are not.
func (o *Operator) actAll(ctx context.Context, r *round, steps []Step) {
	failed := map[string]bool{}
	for _, step := range steps {
		if failed[step.Pod] || failed[step.Master] {
			continue
		}
		if err := o.act(ctx, r, step); err != nil {
			failed[step.Pod] = true
			o.log().Warn("mariadb step failed", "step", step.String(), "err", err)
			r.view.Event(step.Pod, corev1.EventTypeWarning, "MariaDBStepFailed", fmt.Sprintf("%s: %v", step, err))
			continue
		}
		o.log().Info("mariadb step", "step", step.String())
		if text, ok := eventOf(step); ok {
			r.view.Event(step.Pod, corev1.EventTypeNormal, text, step.String())
		}
	}
}

// eventOf returns the event reason of a step, "" for steps without an event.
func eventOf(step Step) (string, bool) {
	switch step.Do {
	case Open:
		return "MariaDBMaster", true
	case Attach:
		return "MariaDBAttached", true
	case Reseed:
		return "MariaDBReseed", true
	case Detach:
		return "MariaDBDetached", true
	}
	return "", false
}

// round holds the connections and facts of one call.
type round struct {
	view     services.View
	sessions map[string]*session
	facts    Facts
}

func (o *Operator) newRound(view services.View) *round {
	if view.Event == nil {
		view.Event = func(string, string, string, string) {}
	}
	r := &round{view: view, sessions: map[string]*session{}}
	r.facts.MaxLag = 10 * time.Second
	for _, w := range view.Workloads {
		if d, err := time.ParseDuration(w.Options["max-lag"]); err == nil {
			r.facts.MaxLag = d
		}
	}
	return r
}

func (r *round) close() {
	for _, s := range r.sessions {
		s.close()
	}
}
