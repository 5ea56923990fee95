package main

import (
	"context"
	"time"

	"github.com/lyandev/lyandev/cmd/lyandev/upplan"
	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui/screen"
)

// applyAndTell applies the stack, and returns the number of the apply. It shows the supervisor's warnings and, unless nothing ran
// before, what changed. now is the state before, nil if it is not known.
func applyAndTell(ctx context.Context, t *target, o upOptions, now *state.Status, p screen.Progress) (uint64, error) {
	before, _ := supervisor.SavedStack(t.instance) // one that cannot be read cannot be compared
	o.request.Began = timed(o.request.Began, "prepare the request")
	answer, err := t.client.Apply(ctx, o.request)
	if err != nil {
		return 0, err
	}
	if o.accepted != nil {
		o.accepted()
	}
	for _, text := range answer.Warnings {
		p.Warn(text)
	}
	after, _ := supervisor.SavedStack(t.instance)
	if before == nil || after == nil {
		return answer.Applied, nil
	}
	look := upplan.Look{Before: before, After: after, Again: answer.Again}
	if now != nil {
		setBound(before, now.Bound)
		look.Pods, look.Adopted = now.Pods, now.Applied == 0
	}
	setBound(after, boundAt(ctx, t, answer.Applied))
	plan := upplan.New(look)
	lines := plan.Lines()
	if len(lines) == 0 && len(answer.Warnings) == 0 {
		lines = []string{"nothing changed: what runs is what the file says"}
	}
	for _, line := range lines {
		p.Note(line)
	}
	return answer.Applied, nil
}

// boundAt returns the host ports as they are bound after an apply, nil if the supervisor does not say so within 2 s.
func boundAt(ctx context.Context, t *target, applied uint64) (bound []services.HostPort) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_ = t.client.WatchState(ctx, func(s *state.Status) bool {
		if s.Applied < applied {
			return true
		}
		bound = s.Bound
		return false
	})
	return bound
}

// setBound puts the numbers that are really bound in the place of the file's, if all are known.
func setBound(stack *services.Stack, bound []services.HostPort) {
	if len(bound) == len(stack.HostPorts) {
		stack.HostPorts = bound
	}
}
