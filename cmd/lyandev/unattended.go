package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/api"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod/dockerpod"
)

// unattended completes the error of a command that needs the supervisor of an instance: if none runs, it says whether containers of the
// stack run without one, and what to do. Other errors stay as they are. attempt is what the command does ("restart the services of").
func unattended(ctx context.Context, t *target, attempt string, err error) error {
	if !errors.Is(err, api.ErrNoSupervisor) {
		return err
	}
	return fmt.Errorf("cannot %s %s: %w%s", attempt, t.instance.Name, api.ErrNoSupervisor, whatIsLeft(countRunning(ctx, t)))
}

// whatIsLeft says what the end of a supervisor left, and what to do. n is the number of containers, -1 if it is not known.
func whatIsLeft(n int) string {
	switch {
	case n < 0:
		return "; `lyandev up` starts one and takes over running pods"
	case n == 0:
		return ", and no container of it runs; `lyandev up` starts it"
	case n == 1:
		return ", but 1 container of it runs; `lyandev up` takes over, `lyandev down` stops it"
	}
	return fmt.Sprintf(", but %d containers of it run; `lyandev up` takes over, `lyandev down` stops them", n)
}

// countRunning counts the running containers of an instance's pods, -1 if the engine does not answer.
func countRunning(ctx context.Context, t *target) int {
	eng, err := connect(ctx)
	if err != nil {
		return -1
	}
	defer eng.Close()
	list, err := eng.ListContainers(ctx, map[string]string{services.ProjectLabel: t.instance.Name})
	if err != nil {
		return -1
	}
	return running(list)
}

func running(list []engine.Container) int {
	n := 0
	for _, c := range list {
		if c.Labels[services.KindLabel] == dockerpod.KindContainer && (c.State == engine.StateRunning || c.State == engine.StatePaused) {
			n++
		}
	}
	return n
}
