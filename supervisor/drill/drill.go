// Package drill breaks a running stack on purpose, watches with real clients what that does to those who use it, and undoes
// what it broke, whatever happens.
package drill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/fault"
	"github.com/lyandev/lyandev/supervisor/state"
)

// Supervisor is what a drill asks the stack's supervisor; api.Client is one.
type Supervisor interface {
	State(ctx context.Context) (*state.Snapshot, error)
	WatchState(ctx context.Context, f func(*state.Snapshot) bool) error
	Events(ctx context.Context, since uint64) ([]state.Event, error)
}

// Config is what a drill works with.
type Config struct {
	Supervisor Supervisor
	Engine     engine.Engine
	Dial       Dial
	// Project is the instance's name, Home the directory of its files.
	Project, Home string
	// Operate has an operator do something by hand ("mariadb", "promote").
	Operate func(ctx context.Context, operator, action string) error
	// Switch changes to the other profile, waits until that is done, and names it.
	Switch func(ctx context.Context) (to string, err error)
	// Say is told what is going on.
	Say func(format string, args ...any)
}

// Limits are what a drill is judged by.
type Limits struct {
	// Recover is the longest time until clients are served again; 0 is the drill's own.
	Recover time.Duration
	// Failed is how many requests may fail, negative for any number; Lost how many acknowledged writes may be lost.
	Failed, Lost int
	// Timeout ends a drill that does not come to its end, 2 min when 0.
	Timeout time.Duration
}

// Report is what a drill found.
type Report struct {
	Drill  string `json:"drill"`
	Target string `json:"target"`
	Fault  string `json:"fault"`
	// Expected is what the settings allow, in words, "" where there is nothing to say.
	Expected string `json:"expected,omitempty"`
	// Detected is when the supervisor or an operator first showed that something is wrong, Recovered when the last client was
	// served again, Right when everything was right again, the fault undone; all from the fault on.
	Detected  time.Duration `json:"detected"`
	Recovered time.Duration `json:"recovered"`
	Right     time.Duration `json:"right"`
	Clients   []*Tally      `json:"clients"`
	Failed    int           `json:"failed"`
	Lost      int           `json:"lost"`
	// Events are what the supervisor told of from the fault on.
	Events   []state.Event `json:"events"`
	Limits   Limits        `json:"limits"`
	Passed   bool          `json:"passed"`
	Problems []string      `json:"problems,omitempty"`
}

const (
	// warmUp is how long clients must succeed before the fault, calmFor after it.
	warmUp  = time.Second
	calmFor = 1500 * time.Millisecond
)

// Run does a drill. It blocks until its fault is undone and everything is right again, or the time is up; the end of ctx
// undoes the fault too. An error means that the drill could not be done, a report that has not Passed that the stack did
// not hold.
func Run(ctx context.Context, c Config, s Scenario, limits Limits) (*Report, error) {
	if c.Say == nil {
		c.Say = func(string, ...any) {}
	}
	if undone, err := fault.Overdue(ctx, c.Engine, c.Home, time.Now(), fault.Alive); err != nil {
		return nil, err
	} else if len(undone) > 0 {
		c.Say("undone what an earlier drill had left: %v", undone)
	}
	snap, err := c.Supervisor.State(ctx)
	if err != nil {
		return nil, err
	}
	if snap.Phase != state.Ready {
		return nil, fmt.Errorf("cannot begin drill %s: the stack is %s, not ready: %s", s.Name, snap.Phase, snap.Message)
	}
	plan, err := s.prepare(ctx, c, snap)
	if err != nil {
		return nil, fmt.Errorf("cannot begin drill %s: %w", s.Name, err)
	}
	if limits.Recover == 0 {
		limits.Recover = plan.recover
	}
	if limits.Timeout == 0 {
		limits.Timeout = max(2*time.Minute, plan.timeout)
	}
	r := &run{Config: c, plan: plan, limits: limits, report: &Report{
		Drill: s.Name, Target: plan.target, Fault: plan.what, Expected: plan.expected, Limits: limits,
	}}
	return r.do(ctx)
}

// run is one drill going on.
type run struct {
	Config
	plan   *plan
	limits Limits
	report *Report

	clients sync.WaitGroup
	faultAt time.Time
	lastSeq uint64

	mu    sync.Mutex
	phase state.Phase
	// detected is when the snapshots first showed something wrong after the fault.
	detected time.Time
}

func (r *run) do(ctx context.Context) (*Report, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, r.limits.Timeout, fmt.Errorf("not over after %s", r.limits.Timeout))
	defer cancel()
	working, endWork := context.WithCancel(ctx)
	defer func() { endWork(); r.clients.Wait() }()
	for _, c := range r.plan.clients {
		if err := c.begin(ctx); err != nil {
			return nil, fmt.Errorf("cannot begin: %s: %w", c.name(), err)
		}
		t := &Tally{Client: c.name()}
		r.report.Clients = append(r.report.Clients, t)
		r.clients.Go(func() { work(working, c, t) })
	}
	if err := r.warmUp(ctx); err != nil {
		return nil, err
	}
	if err := r.inject(ctx); err != nil {
		return nil, err
	}
	r.clients.Go(func() { r.watch(working) })
	brokeOff := r.await(ctx)
	undoErr := r.undo(ctx)
	if brokeOff == nil {
		brokeOff = r.awaitRight(ctx)
	}
	endWork()
	r.clients.Wait()
	r.conclude(context.WithoutCancel(ctx), brokeOff)
	if errors.Is(context.Cause(ctx), context.Canceled) {
		return r.report, errors.Join(context.Canceled, undoErr)
	}
	return r.report, undoErr
}

// warmUp wants to see every client succeed.
func (r *run) warmUp(ctx context.Context) error {
	deadline := time.Now().Add(10 * warmUp)
	for {
		calm := true
		for _, t := range r.report.Clients {
			calm = calm && t.calm(time.Now(), warmUp)
		}
		if calm {
			return nil
		}
		if time.Now().After(deadline) {
			for _, t := range r.report.Clients {
				if t.Failed > 0 {
					return fmt.Errorf("cannot begin: %s fails before anything was broken: %s", t.Client, t.Error)
				}
			}
			return errors.New("cannot begin: the clients get no answers")
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// inject makes the fault, after noting what undoes it.
func (r *run) inject(ctx context.Context) error {
	if list, err := r.Supervisor.Events(ctx, 0); err == nil && len(list) > 0 {
		r.lastSeq = list[len(list)-1].Seq
	}
	forget, err := fault.Remember(r.Home, "drill", time.Now().Add(r.limits.Timeout+30*time.Second), r.plan.faults)
	if err != nil {
		return err
	}
	r.plan.forget = forget
	r.faultAt = time.Now()
	for _, t := range r.report.Clients {
		t.fault(r.faultAt)
	}
	r.Say("%s: %s", r.plan.target, r.plan.what)
	if err := r.plan.inject(ctx); err != nil {
		return errors.Join(fmt.Errorf("cannot break %s: %w", r.plan.target, err), r.undo(ctx))
	}
	return nil
}

// undo undoes the fault, also when ctx has ended.
func (r *run) undo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	err := fault.Undo(ctx, r.Engine, r.plan.faults)
	if r.plan.after != nil {
		err = errors.Join(err, r.plan.after(ctx))
	}
	if err == nil && r.plan.forget != nil {
		r.plan.forget()
	}
	return err
}

// watch follows the snapshots for the first sign.
func (r *run) watch(ctx context.Context) {
	_ = r.Supervisor.WatchState(ctx, func(s *state.Snapshot) bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.phase = s.Phase
		if s.Phase != state.Ready && r.detected.IsZero() && s.Time.After(r.faultAt) {
			r.detected = s.Time
		}
		return true
	})
}

// await waits until the fault has done what it does: clients were hurt and are served again, or, where it may hurt nobody,
// nobody was for a while. A fault that is meant to last does so.
func (r *run) await(ctx context.Context) error {
	for {
		now := time.Now()
		since := now.Sub(r.faultAt)
		calm, hurt := true, false
		for _, t := range r.report.Clients {
			calm, hurt = calm && t.calm(now, calmFor), hurt || t.hurt()
		}
		if calm && since >= r.plan.hold && (hurt || since >= r.plan.harmless) {
			return nil
		}
		if since >= r.plan.until {
			return nil // it ends by being undone
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// awaitRight waits until clients are served and the stack is ready.
func (r *run) awaitRight(ctx context.Context) error {
	for {
		calm := true
		for _, t := range r.report.Clients {
			calm = calm && t.calm(time.Now(), calmFor)
		}
		s, err := r.Supervisor.State(ctx)
		if err == nil && calm && s.Phase == state.Ready && s.Time.After(r.faultAt) {
			r.report.Right = time.Since(r.faultAt)
			return nil
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			if s != nil && s.Message != "" {
				return fmt.Errorf("%w: %s", err, s.Message)
			}
			return err
		}
	}
}

// conclude reads back what was written and judges.
func (r *run) conclude(ctx context.Context, brokeOff error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	rep, now := r.report, time.Now()
	if brokeOff != nil {
		rep.Problems = append(rep.Problems, "it did not come to its end: "+brokeOff.Error())
	}
	for i, c := range r.plan.clients {
		t := rep.Clients[i]
		kept, err := c.kept(ctx)
		if err != nil {
			rep.Problems = append(rep.Problems, err.Error())
		}
		t.finish(now, kept)
		if err := c.end(ctx); err != nil {
			r.Say("cannot remove what the drill wrote: %v", err)
		}
		rep.Failed, rep.Lost = rep.Failed+t.Failed, rep.Lost+t.Lost
		rep.Recovered = max(rep.Recovered, t.Recovered)
	}
	rep.Events, _ = r.Supervisor.Events(ctx, r.lastSeq)
	rep.Events = slices.DeleteFunc(rep.Events, func(e state.Event) bool { return e.Last.Before(r.faultAt) })
	rep.Detected = detected(r.detected, rep.Events, r.faultAt)
	judge(rep)
}

// detected is the time from the fault to the first sign, 0 if there was none.
func detected(phase time.Time, events []state.Event, faultAt time.Time) time.Duration {
	first := phase
	for _, e := range events {
		at := e.First
		if at.Before(faultAt) {
			at = e.Last
		}
		if (e.Type == "Warning" || e.Reason == "RedisMaster" || e.Reason == "Pulled") && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	if first.IsZero() {
		return 0
	}
	return max(first.Sub(faultAt), time.Millisecond)
}

// judge compares with the limits. Pure.
func judge(rep *Report) {
	l := rep.Limits
	if rep.Recovered > l.Recover && l.Recover > 0 {
		rep.Problems = append(rep.Problems, fmt.Sprintf("clients were served again after %s, the limit is %s", rep.Recovered.Round(time.Millisecond), l.Recover))
	}
	if l.Failed >= 0 && rep.Failed > l.Failed {
		rep.Problems = append(rep.Problems, fmt.Sprintf("%d requests failed, the limit is %d", rep.Failed, l.Failed))
	}
	if rep.Lost > l.Lost {
		rep.Problems = append(rep.Problems, fmt.Sprintf("%d acknowledged writes are lost, the limit is %d", rep.Lost, l.Lost))
	}
	rep.Passed = len(rep.Problems) == 0
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
