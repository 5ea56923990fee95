// Package redis sets up replication between Redis servers and monitoring by sentinels, and reports their state.
//
// The master is the one that a quorum of the sentinels names. Without sentinels, or with new ones, it is the server that
// holds data, else the declared one. Everything is configured by address. Failovers are done by the sentinels: the operator
// follows them, turns an old master that returns into a replica, and reconfigures sentinels that lost their state. It never
// attaches a server that holds data to a master that holds none.
//
// Each Reconcile observes, decides, acts and observes again. Decide and Judge are pure functions of the observed Facts.
package redis

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
)

// Operator is the Redis operator of one stack. The zero value is ready.
type Operator struct {
	// Log receives each step; nil disables logging.
	Log *slog.Logger

	turn  sync.Once
	token chan struct{} // held by the call that may change the servers

	mu     sync.Mutex // guards the fields below; never held during a call to a server
	memory memory
}

// memory is the state kept between calls. A new operator rebuilds it from observation.
type memory struct {
	master  Endpoint
	elected time.Time
	wrong   map[string]time.Time // by process: since when it is not as desired
	aligned bool                 // Align was done since the master stopped answering
	unsaved map[string]string
	flushed time.Time
	right   map[string]services.PodVerdict
	rightAt map[string]time.Time
	silent  map[string]int // by process: for how many looks in a row it has not answered in time
	last    services.Verdict
	// downSince is since when a sentinel has said that the master is down or that it is failing over; zero if none does.
	downSince time.Time
	facts     map[string]string
	busyWith  string
}

var _ services.Operator = (*Operator)(nil)

// New returns an operator.
func New() *Operator { return &Operator{} }

const (
	maxRounds = 3
	// settle is the time between acting and the next look; settleShort is for steps that have happened when they are answered.
	settle      = 100 * time.Millisecond
	settleShort = 5 * time.Millisecond
	// againWrong is the delay until the next look while something is not right, againDown while a sentinel says that the master is
	// down or is failing over: clients wait for the news of its successor.
	againWrong = 300 * time.Millisecond
	againDown  = 100 * time.Millisecond
	// againFailing is againDown while a sentinel is failing over, which takes a second.
	againFailing = 30 * time.Millisecond
	// hurryFor is for how long a master that is down makes the delay againDown; there may be no successor.
	hurryFor = 15 * time.Second
	// flushEvery is how often sentinels are asked to write their configuration file, as a check that they can. It is long
	// because a sentinel logs each write. A restarted sentinel is asked at once; while one fails, all are asked every
	// flushAgain.
	flushEvery = 10 * time.Minute
	flushAgain = 15 * time.Second
	// grace is how long a pod stays right although it does not answer in time, for example on a busy machine.
	grace = 3 * time.Second
)

// Reconcile observes every process, does the steps of Decide and observes again. See services.Operator.
func (o *Operator) Reconcile(ctx context.Context, view services.View) (services.Verdict, error) {
	o.turn.Do(o.init)
	select {
	case o.token <- struct{}{}:
		defer func() { <-o.token }()
	default:
		o.mu.Lock()
		defer o.mu.Unlock()
		v := o.memory.last
		v.Message, v.Again = orElse(o.memory.busyWith, v.Message), settle
		return v, nil
	}
	return o.reconcile(ctx, view)
}

// quiet disables the client library's log, once per process: it prints failed dials on standard error, which are also
// returned as errors.
var quiet = sync.OnceFunc(logging.Disable)

func (o *Operator) init() {
	quiet()
	o.token = make(chan struct{}, 1)
	o.memory = memory{
		wrong: map[string]time.Time{}, unsaved: map[string]string{},
		right: map[string]services.PodVerdict{}, rightAt: map[string]time.Time{}, silent: map[string]int{},
	}
}

func (o *Operator) reconcile(ctx context.Context, view services.View) (services.Verdict, error) {
	r := newRound(view)
	defer r.close()
	for n := 1; ; n++ {
		if err := o.look(ctx, r); err != nil {
			return services.Verdict{}, err
		}
		steps := Decide(&r.facts)
		if n == maxRounds || len(steps) == 0 || ctx.Err() != nil {
			break
		}
		o.actAll(ctx, r, steps)
		if pause(ctx, settling(steps)) != nil {
			break
		}
	}
	return o.conclude(Judge(&r.facts), r, time.Now()), nil
}

// conclude completes a verdict: it applies grace, keeps the last known facts, records an event if the master changed and sets
// the delay until the next call.
func (o *Operator) conclude(v services.Verdict, r *round, now time.Time) services.Verdict {
	o.mu.Lock()
	defer o.mu.Unlock()
	for pod, pv := range v.Pods {
		switch {
		case pv.Right:
			o.memory.right[pod], o.memory.rightAt[pod] = pv, now
		case (pv.Reason == "NoAnswer" || pv.Reason == "LookFailed") && now.Sub(o.memory.rightAt[pod]) < grace && o.memory.right[pod].Role == pv.Role:
			v.Pods[pod] = o.memory.right[pod]
		}
	}
	if v.Facts == nil {
		v.Facts = o.memory.facts
	} else if was := o.memory.facts[MasterFact]; was != "" && was != v.Facts[MasterFact] {
		if s := elect(&r.facts).Master; s != nil {
			r.view.Event(s.Pod, corev1.EventTypeNormal, "RedisMaster", fmt.Sprintf("is now the master at %s (was %s)", s.At, was))
		}
	}
	o.memory.facts, o.memory.last = v.Facts, v
	if !r.facts.masterDown() {
		o.memory.downSince = time.Time{}
	} else if o.memory.downSince.IsZero() {
		o.memory.downSince = now
	}
	switch {
	case !o.memory.downSince.IsZero() && now.Sub(o.memory.downSince) < hurryFor:
		v.Again = againDown
		if slices.ContainsFunc(r.facts.Sentinels, (*Sentinel).FailingOver) {
			v.Again = againFailing
		}
	case !v.Right:
		v.Again = againWrong
	}
	if left, known := r.facts.downIn(); known && left > alignBefore {
		v.Again = min(againWrong, max(left-alignBefore, settleShort))
	}
	return v
}

func (o *Operator) log() *slog.Logger {
	if o.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Log
}

func (o *Operator) actAll(ctx context.Context, r *round, steps []Step) {
	for _, s := range steps {
		err := o.act(ctx, r, s)
		kind, reason, text := corev1.EventTypeNormal, s.Do.reason(), s.String()
		if err != nil {
			kind, reason, text = corev1.EventTypeWarning, "RedisStepFailed", fmt.Sprintf("%s: %v", s, err)
			o.log().Warn("redis step failed", "step", s.String(), "err", err)
		} else {
			o.log().Info("redis step", "step", s.String())
		}
		if err != nil || !s.silent() {
			r.view.Event(s.Pod, kind, reason, text)
		}
	}
}

// settling is the time between doing steps and the next look.
func settling(steps []Step) time.Duration {
	if slices.ContainsFunc(steps, func(s Step) bool { return !s.silent() || s.Do == Align }) {
		return settle
	}
	return settleShort
}

// silent: no event tells of the step. All of these but Align have had their effect when they are answered.
func (s Step) silent() bool { return s.Do == Hurry || s.Do == Align || s.Do == Introduce }

// round holds the connections and facts of one call.
type round struct {
	view      services.View
	processes map[string]process
	clients   map[string]*redis.Client
	facts     Facts
}

func newRound(view services.View) *round {
	if view.Event == nil {
		view.Event = func(string, string, string, string) {}
	}
	return &round{view: view, clients: map[string]*redis.Client{}}
}

func (r *round) close() {
	for _, c := range r.clients {
		_ = c.Close()
	}
}

func key(p Process) string { return p.Pod + "/" + p.Container }

// look fills the round's facts. It queries all processes in parallel, but those that were silent in the last look after the others,
// each within its limit.
func (o *Operator) look(ctx context.Context, r *round) error {
	found, settings, err := find(ctx, r.view)
	if err != nil {
		return err
	}
	f := &r.facts
	f.Servers, f.Sentinels, f.Settings, f.Now = nil, nil, settings, time.Now()
	r.processes = map[string]process{}
	flush := o.flushDue(f.Now)
	var prompt, silent []query
	for _, p := range found {
		r.processes[key(p.Process)] = p
		if r.clients[key(p.Process)] == nil {
			r.clients[key(p.Process)] = connect(r.view, p)
		}
		q := f.query(p, r.clients[key(p.Process)], flush)
		if o.wasSilent(p.Process) {
			silent = append(silent, q)
		} else {
			prompt = append(prompt, q)
		}
	}
	ask(ctx, prompt, func(Process) time.Duration { return lookDeadline })
	ask(ctx, silent, func(p Process) time.Duration { return o.patience(p, f) })
	o.recall(f, flush)
	return nil
}

func (o *Operator) flushDue(now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	wait := flushEvery
	for _, why := range o.memory.unsaved {
		if why != "" {
			wait = flushAgain
		}
	}
	if now.Sub(o.memory.flushed) < wait {
		return false
	}
	o.memory.flushed = now
	return true
}

// recall adds to the facts what is known from earlier calls: since when a process is not as desired, and what was done.
func (o *Operator) recall(f *Facts, flushed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	m := &o.memory
	for _, s := range f.Servers {
		m.listen(s.Process)
	}
	for _, s := range f.Sentinels {
		m.listen(s.Process)
	}
	m.aligned = m.aligned && (f.masterSilent() || f.masterDown())
	f.Aligned = m.aligned
	e := elect(f)
	if e.Master != nil && e.Master.At != m.master {
		m.master, m.elected = e.Master.At, f.Now
	}
	f.LastMaster, f.ElectedFor = m.master, f.Now.Sub(m.elected)
	for _, s := range f.Servers {
		wrong := e.Master != nil && s.Reached && (s == e.Master && s.Role != Master || s != e.Master && wrongServer(e.Master, s) != "")
		s.WrongFor = m.since(key(s.Process), wrong, f.Now)
	}
	for _, s := range f.Sentinels {
		wrong := e.Master != nil && s.Reached && s.Known && s.Master != e.Master.At
		s.WrongFor = m.since(key(s.Process), wrong, f.Now)
		if !s.Reached {
			delete(m.unsaved, key(s.Process))
			continue
		}
		if flushed && s.Known {
			m.unsaved[key(s.Process)] = s.Unsaved
		}
		why, asked := m.unsaved[key(s.Process)]
		if !asked && s.Known {
			m.flushed = time.Time{}
		}
		s.Unsaved = why
	}
}

// listen counts the looks in which a process did not answer in time.
func (m *memory) listen(p Process) {
	if p.Reason != "NoAnswer" {
		delete(m.silent, key(p))
		return
	}
	m.silent[key(p)]++
}

func (m *memory) since(key string, wrong bool, now time.Time) time.Duration {
	if !wrong {
		delete(m.wrong, key)
		return 0
	}
	if _, ok := m.wrong[key]; !ok {
		m.wrong[key] = now
	}
	return now.Sub(m.wrong[key])
}

// pause blocks for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
