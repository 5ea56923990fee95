// Package mariadb turns MariaDB servers that run into one master and slaves that are right.
//
// Who is master is declared (option role, else MARIADB_REPLICATION_MODE) until it is changed by a promotion. A promotion is
// recorded in the table lyandev.topology, which is replicated and seeded with the data: the highest epoch wins, so an old
// master that comes back sees itself overruled. Every server is kept read-only until it is known to be the master.
// What a server is itself (its server_id, which data it was attached to) stands in lyandev_local.identity, never replicated.
//
// Look, decide, act, look again: Decide and Judge are pure functions of the Facts; success is told by the last look.
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

// Operator is the MariaDB operator of one stack. The zero value is ready; Close ends what it has under way.
type Operator struct {
	// Log gets each step; nil is silent.
	Log *slog.Logger
	// VerifyEvery is the time between comparisons of slaves' rows with the master's, 2 min when 0.
	VerifyEvery time.Duration

	turn  sync.Once
	token chan struct{} // held by the one call that may change roles
	jobs  sync.WaitGroup

	mu     sync.Mutex // guards what follows, never held across a call to a server
	memory memory
}

var _ services.Operator = (*Operator)(nil)

// New makes an operator.
func New() *Operator { return &Operator{} }

// maxRounds bounds the looks of one call: groundwork, roles, attachment, and one to see the result.
const maxRounds = 4

// settle is the time between acting and looking again: threads need about as long to connect.
const settle = 150 * time.Millisecond

// Reconcile looks at every server, does what is to be done, and looks again until nothing is left to do or ctx ends.
// Seeding goes on in the background, its progress is in the verdicts.
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

// conclude softens slow looks, keeps the last known facts, and says when to look again.
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

// straggle is the time clients are given to find the new master by its name. Whoever came back to the old one before the
// name moved would keep a connection that cannot write, so they are disconnected once more then.
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

// againAfter asks for an early next look while something is being attached or loaded.
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

// actAll does the steps in order. A step that fails ends the steps of its pod, not those of the others.
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

// eventOf names the event of a step that people want to know of.
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

// round is the connections and facts of one call.
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
