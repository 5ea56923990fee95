// Package operators runs the operators of a stack. Each operator has a goroutine that calls Reconcile when its pods change and
// at intervals, and reports the verdicts.
package operators

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/bootstrap"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/timeline"
)

// Reach is how operators reach their pods. Each function becomes the field of the same name in services.View. They are called
// by the operators' goroutines.
type Reach struct {
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	Exec func(ctx context.Context, pod, container string, cmd, env []string) (exit int, output []byte, err error)
	Env  func(pod, container string) (map[string]string, error)
	Addr func(pod string) (string, bool)
}

// Config is what a Runner works with. All fields but Times must be set.
type Config struct {
	// New makes the operator of a catalogue name.
	New func(name string) (services.Operator, error)
	// StepsFile is the path of the file that says which bootstrap steps have passed. It is read when the first operator with
	// steps starts.
	StepsFile string
	Reach     Reach
	// Event records an event on a pod.
	Event func(pod, typ, reason, message string)
	// Verdict receives what an operator found and the view it looked at. It is called by the operator's goroutine, so the
	// verdicts of one operator arrive in order. A receiver that hands them on asynchronously must ask Running before it uses
	// one: the operator may have been stopped since.
	Verdict func(name string, seen services.View, v services.Verdict)
	// Times records how long the operators' looks take; nil records nothing.
	Times *timeline.Recorder
	Log   *slog.Logger
}

// Runner runs the operators of one stack.
type Runner struct {
	cfg   Config
	steps bootstrap.Memory // opened by the first operator that needs it; used only by Follow
	wg    sync.WaitGroup

	mu      sync.Mutex
	running map[string]*loop
}

// New returns a Runner without operators.
func New(cfg Config) *Runner {
	return &Runner{cfg: cfg, running: map[string]*loop{}}
}

// Follow runs exactly the operators that have a view: it starts and stops operators, gives each its view, and wakes those whose
// pods changed. A name is one of the catalogue's or bootstrap.OperatorName of a workload. It does not block. The operators run
// until a later Follow leaves them out or ctx ends. Follow must not be called concurrently. It returns the operators that could not
// be made, with the reason; the next Follow tries again.
func (r *Runner) Follow(ctx context.Context, views map[string]services.View) (failed map[string]error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	failed = map[string]error{}
	for name, l := range r.running {
		if _, ok := views[name]; !ok {
			l.cancel(fmt.Errorf("operator %s has been stopped", name))
			delete(r.running, name)
		}
	}
	for name, view := range views {
		view = r.complete(view)
		if l := r.running[name]; l != nil {
			l.see(view)
			continue
		}
		op, err := r.makeOperator(name)
		if err != nil {
			failed[name] = err
			continue
		}
		l := newLoop(ctx, name, op, view)
		r.running[name] = l
		r.wg.Go(func() { l.run(r.cfg) })
	}
	return failed
}

// Running reports whether an operator runs, that is, whether the last Follow had a view for it.
func (r *Runner) Running(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.running[name] != nil
}

// Wait blocks until all operators have ended. The context of Follow must have ended, or the last Follow had no views.
func (r *Runner) Wait() { r.wg.Wait() }

// Use calls f with a running operator and its latest view, and makes the operator look again afterwards. It blocks until f
// returns. The context of f ends with ctx and when the operator is stopped. It is an error if no such operator runs.
func (r *Runner) Use(ctx context.Context, name string, f func(context.Context, services.Operator, services.View) error) error {
	l, err := r.find(name)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(l.ctx, func() { cancel(context.Cause(l.ctx)) })()
	defer l.wakeUp()
	return f(ctx, l.op, l.current())
}

func (r *Runner) find(name string) (*loop, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.running[name]; l != nil {
		return l, nil
	}
	known := strings.Join(slices.Sorted(maps.Keys(r.running)), ", ")
	if known == "" {
		known = "none"
	}
	return nil, fmt.Errorf("cannot use operator %s: no service of the running stack has it (x-lyandev.operator); running are: %s", name, known)
}

// makeOperator makes the operator of a catalogue name, or the one that runs a workload's bootstrap steps.
func (r *Runner) makeOperator(name string) (services.Operator, error) {
	if _, ok := bootstrap.WorkloadOf(name); !ok {
		return r.cfg.New(name)
	}
	if r.steps == nil {
		r.steps = bootstrap.OpenFile(r.cfg.StepsFile, instance.WriteFile)
	}
	return bootstrap.New(r.steps, r.cfg.Log), nil
}

// complete adds to a view how the operator reaches its pods.
func (r *Runner) complete(v services.View) services.View {
	v.Dial, v.Exec, v.Env, v.Addr, v.Event = r.cfg.Reach.Dial, r.cfg.Reach.Exec, r.cfg.Reach.Env, r.cfg.Reach.Addr, r.cfg.Event
	return v
}
