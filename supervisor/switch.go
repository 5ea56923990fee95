package supervisor

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/prepare"
	"github.com/lyandev/lyandev/supervisor/switcher"
	"github.com/lyandev/lyandev/supervisor/switchplan"
)

const (
	// savedSwitch is the file that keeps a switch in progress for the next supervisor of the instance.
	savedSwitch = "switch.json"
	// masterRole is the role of the pod that holds the data that counts.
	masterRole = "master"
)

func newSwitcher(s *Supervisor) *switcher.Switcher {
	return switcher.New(switcher.Config{
		Stack: switchedStack{s}, File: s.cfg.Instance.File(savedSwitch), Log: s.log, Done: s.done,
		Changed: func() { s.post(lookAgain{"the switch of profiles"}) },
		Event: func(typ, reason, message string) {
			s.event("Stack", s.cfg.Instance.Name, typ, reason, "%s", message)
		},
	})
}

// PlanSwitch says what a switch to a loaded stack would do to what runs. It changes nothing.
func (s *Supervisor) PlanSwitch(ctx context.Context, stack *services.Stack) (switchplan.Plan, error) {
	plan, err := ask(ctx, s, "plan a switch", func() (switchplan.Plan, error) { return s.planSwitch(stack) })
	if err != nil {
		return plan, fmt.Errorf("cannot plan the switch to %s: %w", switchplan.ProfileText(stack), err)
	}
	return plan, nil
}

// planSwitch is called by the loop. Images that are built here count as the ones that run: whether a build changes one is
// known only after it.
func (s *Supervisor) planSwitch(stack *services.Stack) (switchplan.Plan, error) {
	running := s.cluster.Stack()
	if running == nil {
		return switchplan.Plan{}, errNoStack
	}
	stack = stack.DeepCopy()
	if err := stack.UseVolumesOf(running); err != nil {
		return switchplan.Plan{}, err
	}
	to, err := prepare.Stack(stack, s.cfg.Instance.Name, prepare.Images(running))
	if err != nil {
		return switchplan.Plan{}, err
	}
	var masters []*corev1.Pod
	for _, p := range s.cluster.Pods() {
		if p.Labels[services.RoleLabel] == masterRole {
			masters = append(masters, p)
		}
	}
	return switchplan.New(s.cluster.WithoutRestarts(), to, masters), nil
}

// Switch begins to change the running stack to another profile and returns; the status says how it goes. If the
// new profile does not get right within limit (0 is switcher.DefaultLimit), or a pod of it never will, the old one is
// made the wanted one again. Both are remembered: a supervisor that is killed meanwhile is followed by one that goes on.
// What cannot be begun is an error and changes nothing: nothing runs (then `up` is the word), or switcher.ErrSwitching.
func (s *Supervisor) Switch(ctx context.Context, stack *services.Stack, opts ApplyOptions, limit time.Duration) error {
	if _, err := s.PlanSwitch(ctx, stack); err != nil {
		return err
	}
	if !s.applying.TryLock() {
		return fmt.Errorf("cannot switch to %s: the stack is being changed already; wait for that", switchplan.ProfileText(stack))
	}
	defer s.applying.Unlock()
	start := s.timeBegan(opts.Began)
	from := s.store.Latest().Profile
	if from == stack.Profile {
		return fmt.Errorf("cannot switch to %s: it is the one that runs; `lyandev up` brings it to what the file says", switchplan.ProfileText(stack))
	}
	err := s.switcher.Begin(switcher.Request{
		From: from, To: stack.Profile, Limit: limit,
		Prepare: func(ctx context.Context) (*services.Stack, *services.Stack, error) {
			to, err := s.prepareStack(ctx, stack, opts)
			if err != nil {
				return nil, nil, err
			}
			running, err := ask(ctx, s, "the wanted stack", func() (*services.Stack, error) { return s.cluster.WithoutRestarts(), nil })
			return running, to, err
		},
	})
	if err != nil {
		return fmt.Errorf("cannot switch to %s: %w; wait for it", switchplan.ProfileText(stack), err)
	}
	return s.change(ctx, "time a switch", func() error {
		s.follower.change = &followedSwitch{start: start, end: s.times.Open("switch", from+" -> "+stack.Profile, start)}
		return nil
	})
}

// switchedStack is the running stack as the switcher sees it.
type switchedStack struct{ s *Supervisor }

// Take implements switcher.Stack.
func (k switchedStack) Take(ctx context.Context, stack *services.Stack) error {
	s := k.s
	s.saving.Lock()
	defer s.saving.Unlock()
	if err := s.saveStack(stack); err != nil {
		return err
	}
	return s.change(ctx, "switch to "+switchplan.ProfileText(stack), func() error {
		if now := s.cluster.Stack(); now != nil && now.Profile == stack.Profile {
			return nil
		}
		return s.take(stack.DeepCopy())
	})
}

// Progress implements switcher.Stack.
func (k switchedStack) Progress(ctx context.Context, profile string) (switcher.Progress, error) {
	return ask(ctx, k.s, "the progress of the switch to "+profile, func() (switcher.Progress, error) {
		done, waiting, never := k.s.cluster.Progress(profile, time.Now())
		return switcher.Progress{Done: done, Waiting: waiting, Never: never, Stopping: k.s.stopping}, nil
	})
}

// Handover implements switcher.Stack.
func (k switchedStack) Handover(ctx context.Context, to *services.Stack) (moved []string, err error) {
	pods, err := ask(ctx, k.s, "the pods", func() ([]*corev1.Pod, error) { return k.s.cluster.Pods(), nil })
	if err != nil {
		return nil, err
	}
	return k.s.ops.Handover(ctx, switchplan.Stays(to, pods))
}
