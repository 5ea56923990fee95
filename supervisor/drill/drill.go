// Package drill injects a fault into a running stack, measures its effect with real clients, and always undoes the fault.
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

// Supervisor is the part of the supervisor's API that a drill needs; api.Client implements it.
type Supervisor interface {
	State(ctx context.Context) (*state.Status, error)
	WatchState(ctx context.Context, f func(*state.Status) bool) error
	Events(ctx context.Context, since uint64) ([]state.Event, error)
}

// Config holds the dependencies of a drill.
type Config struct {
	Supervisor Supervisor
	Engine     engine.Engine
	Dial       Dial
	// Project is the instance's name, Home the directory of its files.
	Project, Home string
	// Operate runs a manual action of an operator, such as ("mariadb", "promote"), and blocks until it is done.
	Operate func(ctx context.Context, operator, action string) error
	// Switch switches to the other profile, blocks until that is done, and returns its name.
	Switch func(ctx context.Context) (to string, err error)
	// Say receives progress messages; nil discards them.
	Say func(format string, args ...any)
}

// Limits are the criteria for passing a drill.
type Limits struct {
	// Recover is the longest allowed time until all clients are served again; 0 is the drill's default.
	Recover time.Duration
	// Failed is the number of requests that may fail, negative for no limit. Lost is the number of acknowledged writes that may
	// be lost.
	Failed, Lost int
	// Timeout bounds the whole drill; 0 is 2 min, longer for profile-switch.
	Timeout time.Duration
}

// Report is the result of a drill.
type Report struct {
	Drill  string `json:"drill"`
	Target string `json:"target"`
	Fault  string `json:"fault"`
	// Expected describes the behaviour that the stack's settings imply, or is "".
	Expected string `json:"expected,omitempty"`
	// FaultAt is when the fault was injected.
	FaultAt time.Time `json:"faultAt,omitzero"`
	// Detected is when the supervisor or an operator first reported a problem, Recovered when the last client was served again,
	// Right when the fault was undone and the stack ready again. All are measured from the fault.
	Detected  time.Duration `json:"detected"`
	Recovered time.Duration `json:"recovered"`
	Right     time.Duration `json:"right"`
	Clients   []*Tally      `json:"clients"`
	Failed    int           `json:"failed"`
	Lost      int           `json:"lost"`
	// Events are the supervisor's events since the fault.
	Events   []state.Event `json:"events"`
	Limits   Limits        `json:"limits"`
	Passed   bool          `json:"passed"`
	Problems []string      `json:"problems,omitempty"`
}

const (
	// warmUp is how long all clients must succeed before the fault is injected, calmFor how long after it until they count as
	// recovered.
	warmUp  = time.Second
	calmFor = 1500 * time.Millisecond
)

// Run runs a drill. It blocks until the fault is undone and the stack is ready again, or until Limits.Timeout. If ctx ends, the
// fault is undone first. An error means that the drill could not be run; a Report with Passed false means that the stack
// exceeded the limits.
func Run(ctx context.Context, c Config, s Scenario, limits Limits) (*Report, error) {
	if c.Say == nil {
		c.Say = func(string, ...any) {}
	}
	if undone, err := fault.Overdue(ctx, c.Engine, c.Home, time.Now(), fault.Alive); err != nil {
		return nil, err
	} else if len(undone) > 0 {
		c.Say("undid the faults of an interrupted earlier run: %v", undone)
	}
	snap, err := c.Supervisor.State(ctx)
	if err != nil {
		return nil, err
	}
	if snap.Phase != state.Ready {
		return nil, fmt.Errorf("cannot start drill %s: the stack is %s, not ready: %s", s.Name, snap.Phase, snap.Message)
	}
	plan, err := s.prepare(ctx, c, snap)
	if err != nil {
		return nil, fmt.Errorf("cannot start drill %s: %w", s.Name, err)
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

// run is a drill in progress.
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
	// detected is when the supervisor's state first showed a problem after the fault.
	detected time.Time
}

func (r *run) do(ctx context.Context) (*Report, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, r.limits.Timeout, fmt.Errorf("not finished after %s", r.limits.Timeout))
	defer cancel()
	working, endWork := context.WithCancel(ctx)
	defer func() { endWork(); r.clients.Wait() }()
	for _, c := range r.plan.clients {
		if err := c.begin(ctx); err != nil {
			return nil, fmt.Errorf("cannot start the drill: %s: %w", c.name(), err)
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

// warmUp waits until every client has succeeded for warmUp, ten times that at most.
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
					return fmt.Errorf("cannot start the drill: %s fails before the fault was injected: %s", t.Client, t.Error)
				}
			}
			return errors.New("cannot start the drill: the clients get no answers")
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// inject injects the fault, after recording on disk how to undo it.
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
	r.report.FaultAt = r.faultAt
	for _, t := range r.report.Clients {
		t.fault(r.faultAt)
	}
	r.Say("%s: %s", r.plan.target, r.plan.what)
	if err := r.plan.inject(ctx); err != nil {
		return errors.Join(fmt.Errorf("cannot inject the fault into %s: %w", r.plan.target, err), r.undo(ctx))
	}
	return nil
}

// undo undoes the fault, even if ctx has ended, within 30 s.
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

// watch follows the supervisor's state and records when it first shows a problem.
func (r *run) watch(ctx context.Context) {
	_ = r.Supervisor.WatchState(ctx, func(s *state.Status) bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.phase = s.Phase
		if s.Phase != state.Ready && r.detected.IsZero() && s.Time.After(r.faultAt) {
			r.detected = s.Time
		}
		return true
	})
}

// await waits until clients have failed and recovered, or until a fault that may be harmless went unnoticed (plan.harmless).
// It waits at least plan.hold and at most plan.until.
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
			return nil // undoing the fault ends the outage
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// awaitRight waits until all clients are served and the stack is ready.
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

// conclude reads back the writes, completes the report and compares it with the limits.
func (r *run) conclude(ctx context.Context, brokeOff error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	rep, now := r.report, time.Now()
	if brokeOff != nil {
		rep.Problems = append(rep.Problems, "the drill did not finish: "+brokeOff.Error())
	}
	for i, c := range r.plan.clients {
		t := rep.Clients[i]
		kept, err := c.kept(ctx)
		if err != nil {
			rep.Problems = append(rep.Problems, err.Error())
		}
		t.finish(now, kept)
		if err := c.end(ctx); err != nil {
			r.Say("cannot remove the drill's data: %v", err)
		}
		rep.Failed, rep.Lost = rep.Failed+t.Failed, rep.Lost+t.Lost
		rep.Recovered = max(rep.Recovered, t.Recovered)
	}
	rep.Events, _ = r.Supervisor.Events(ctx, r.lastSeq)
	rep.Events = slices.DeleteFunc(rep.Events, func(e state.Event) bool { return e.Last.Before(r.faultAt) })
	rep.Detected = detected(r.detected, rep.Events, r.faultAt)
	judge(rep)
}

// detected returns the time from the fault to the first sign of a problem, 0 if there was none.
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

// judge compares the report with its limits. It is pure.
func judge(rep *Report) {
	l := rep.Limits
	if rep.Recovered > l.Recover && l.Recover > 0 {
		rep.Problems = append(rep.Problems, fmt.Sprintf("clients recovered after %s, the limit is %s", rep.Recovered.Round(time.Millisecond), l.Recover))
	}
	if l.Failed >= 0 && rep.Failed > l.Failed {
		rep.Problems = append(rep.Problems, fmt.Sprintf("%d requests failed, the limit is %d", rep.Failed, l.Failed))
	}
	if rep.Lost > l.Lost {
		rep.Problems = append(rep.Problems, fmt.Sprintf("%d acknowledged writes were lost, the limit is %d", rep.Lost, l.Lost))
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
