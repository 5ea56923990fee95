package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/prepare"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/switchplan"
)

// DefaultSwitchLimit is how long the pods of a new profile may take to become right before the switch is rolled back.
const DefaultSwitchLimit = 3 * time.Minute

// ErrSwitching says that another switch goes on.
var ErrSwitching = errors.New("a switch of profiles is going on")

// savedSwitch is the file that keeps a switch that goes on, for the next supervisor of the instance.
const savedSwitch = "switch.json"

// intent is a switch as it survives the supervisor: both stacks, prepared, and which of them is wanted now.
type intent struct {
	From *services.Stack `json:"from"`
	To   *services.Stack `json:"to"`
	// Back says that it is being rolled back, Reason why.
	Back    bool          `json:"back,omitempty"`
	Reason  string        `json:"reason,omitempty"`
	Started time.Time     `json:"started"`
	Limit   time.Duration `json:"limit"`
}

// wanted and other are the stack that the intent leads to, and the one that it leaves.
func (i *intent) wanted() *services.Stack {
	if i.Back {
		return i.From
	}
	return i.To
}

func (i *intent) other() *services.Stack {
	if i.Back {
		return i.To
	}
	return i.From
}

// switcher carries out one switch at a time.
type switcher struct {
	s    *Supervisor
	jobs chan switchJob
	// adopted closes when what a former supervisor left has been taken over, a switch included.
	adopted chan struct{}

	mu   sync.Mutex
	now  *state.Switch // as published; replaced, never changed
	idle chan struct{} // closed while nothing goes on
}

// switchJob is a switch to begin, or, with an intent, one to go on with.
type switchJob struct {
	stack  *services.Stack
	opts   ApplyOptions
	limit  time.Duration
	intent *intent
}

func newSwitcher(s *Supervisor) *switcher {
	idle := make(chan struct{})
	close(idle)
	return &switcher{s: s, jobs: make(chan switchJob, 1), adopted: make(chan struct{}), idle: idle}
}

// PlanSwitch says what a switch to a loaded stack would do to what runs. It changes nothing.
func (s *Supervisor) PlanSwitch(ctx context.Context, stack *services.Stack) (switchplan.Plan, error) {
	plan, err := ask(ctx, s, func() (switchplan.Plan, error) { return s.planSwitch(stack) })
	if err != nil {
		return plan, fmt.Errorf("cannot plan the switch to %s: %w", switchplan.ProfileText(stack), err)
	}
	return plan, nil
}

// planSwitch is called by the loop. Images that are built here count as the ones that run: whether a build changes one is
// known only after it.
func (s *Supervisor) planSwitch(stack *services.Stack) (switchplan.Plan, error) {
	w := s.world
	if w.stack == nil {
		return switchplan.Plan{}, errNoStack
	}
	to, err := prepare.Stack(stack, s.cfg.Instance.Name, prepare.Images(w.stack))
	if err != nil {
		return switchplan.Plan{}, err
	}
	var masters []*corev1.Pod
	for _, p := range sorted(w.pods) {
		if p.Labels[services.RoleLabel] == masterRole {
			masters = append(masters, p)
		}
	}
	return switchplan.New(w.withoutRestarts(), to, masters), nil
}

// Switch begins to change the running stack to another profile and returns; the snapshots' Switch tells how it goes. If the
// new profile does not get right within limit (0 is DefaultSwitchLimit), or a pod of it never will, the old one is
// made the wanted one again. Both are remembered: a supervisor that is killed meanwhile is followed by one that goes on.
// What cannot be begun is an error and changes nothing: nothing runs (then `up` is the word), or ErrSwitching.
func (s *Supervisor) Switch(ctx context.Context, stack *services.Stack, opts ApplyOptions, limit time.Duration) error {
	if limit <= 0 {
		limit = DefaultSwitchLimit
	}
	if _, err := s.PlanSwitch(ctx, stack); err != nil {
		return err
	}
	if !s.applying.TryLock() {
		return fmt.Errorf("cannot switch to %s: the stack is being changed already; wait for that", switchplan.ProfileText(stack))
	}
	defer s.applying.Unlock()
	from := s.store.Latest().Profile
	if from == stack.Profile {
		return fmt.Errorf("cannot switch to %s: it is the one that runs; `lyandev up` brings it to what the file says", switchplan.ProfileText(stack))
	}
	if !s.switcher.begin(&state.Switch{From: from, To: stack.Profile, Phase: state.SwitchPreparing, Started: time.Now()}) {
		return fmt.Errorf("cannot switch to %s: %w; wait for it", switchplan.ProfileText(stack), ErrSwitching)
	}
	s.switcher.jobs <- switchJob{stack: stack, opts: opts, limit: limit}
	return nil
}

// begin takes the turn; false if a switch goes on.
func (r *switcher) begin(first *state.Switch) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.now.Over() {
		return false
	}
	r.now, r.idle = first, make(chan struct{})
	return true
}

// tell changes what is published of the switch.
func (r *switcher) tell(change func(*state.Switch)) {
	r.mu.Lock()
	next := *r.now
	change(&next)
	over := r.now.Ended.IsZero() && !next.Ended.IsZero()
	r.now = &next
	if over {
		close(r.idle)
	}
	r.mu.Unlock()
	r.s.post(func() {}) // the next look publishes it
}

// latest is the switch for the snapshot.
func (r *switcher) latest() *state.Switch {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

// await blocks until no switch goes on, which is bounded by the switch's limits.
func (r *switcher) await(ctx context.Context) error {
	for _, what := range []func() <-chan struct{}{
		func() <-chan struct{} { return r.adopted },
		func() <-chan struct{} { r.mu.Lock(); defer r.mu.Unlock(); return r.idle },
	} {
		select {
		case <-what():
		case <-ctx.Done():
			return fmt.Errorf("cannot wait for the switch of profiles that is going on: %w", context.Cause(ctx))
		case <-r.s.done:
			return errors.New("cannot change the stack: the supervisor has ended")
		}
	}
	return nil
}

// run carries out switches until ctx ends. One that a former supervisor began goes on first.
func (r *switcher) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case job := <-r.jobs:
			r.carryOut(ctx, job)
		}
	}
}

// recall reads the switch that a former supervisor had begun, nil if there is none.
func (r *switcher) recall() *intent {
	b, err := os.ReadFile(r.s.cfg.Instance.File(savedSwitch))
	if err != nil {
		return nil
	}
	in := new(intent)
	if err := json.Unmarshal(b, in); err != nil || in.From == nil || in.To == nil {
		r.s.log.Warn("cannot read the switch that was going on; the saved stack is what counts", "error", err)
		r.forget()
		return nil
	}
	return in
}

// status is how an intent that was read is published.
func (i *intent) status() *state.Switch {
	if i == nil {
		return nil
	}
	t := &state.Switch{From: i.From.Profile, To: i.To.Profile, Phase: state.SwitchGoing, Started: i.Started, Error: i.Reason}
	if i.Back {
		t.Phase = state.SwitchRollingBack
	}
	return t
}

// adopt takes over a switch that a former supervisor had begun, nil if there is none. Called before the loop runs.
func (r *switcher) adopt() *intent {
	defer close(r.adopted)
	in := r.recall()
	if in != nil {
		r.begin(in.status())
		r.jobs <- switchJob{intent: in}
	}
	return in
}

// adoptNothing: nothing runs, so there is nothing to go on with.
func (r *switcher) adoptNothing() {
	r.forget()
	close(r.adopted)
}

// save writes the intent down, before what it says is done.
func (r *switcher) save(in *intent) error {
	b, err := json.Marshal(in)
	if err == nil {
		err = instance.WriteFile(r.s.cfg.Instance.File(savedSwitch), b)
	}
	if err != nil {
		return fmt.Errorf("cannot remember the switch: %w", err)
	}
	return nil
}

// forget removes the intent: there is nothing to go on with.
func (r *switcher) forget() {
	if err := os.Remove(r.s.cfg.Instance.File(savedSwitch)); err != nil && !errors.Is(err, os.ErrNotExist) {
		r.s.log.Warn("cannot forget the switch", "error", err)
	}
}
