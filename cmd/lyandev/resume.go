package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor"
	"github.com/lyandev/lyandev/supervisor/api"
	"github.com/lyandev/lyandev/supervisor/cluster/view"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// stateOrResume returns the status of the stack. If no supervisor runs, but the last one left the stack's containers (Ctrl-C on up, a
// kill), it starts one in the background, which goes on with them. Nothing is started for names that the stack has not, nor for a
// verb that needs running containers if none runs: then the status is nil, without an error.
func stateOrResume(c *cli.Context, st *ui.Streams, t *target, verb string, names []string) (*state.Status, error) {
	s, err := t.client.State(c.Context)
	if !errors.Is(err, api.ErrNoSupervisor) {
		return s, err
	}
	if err := nameFirst(c, t, err, names...); !errors.Is(err, api.ErrNoSupervisor) {
		return nil, err
	}
	stack, savedErr := supervisor.SavedStack(t.instance)
	if savedErr != nil || stack == nil {
		return nil, errors.Join(err, savedErr)
	}
	if slices.Contains([]string{"stop", "kill", "pause", "unpause"}, verb) {
		there, err := observe(c, t)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(there.Pods, view.Runs) {
			fmt.Fprintf(st.Err, "nothing of %s runs\n", t.instance.Name)
			return nil, nil
		}
	}
	if err := startInBackground(c, t); err != nil {
		return nil, err
	}
	fmt.Fprintf(st.Err, "started the supervisor of %s again, in the background; `lyandev down` ends it\n", t.instance.Name)
	ctx, cancel := context.WithTimeoutCause(c.Context, resumeLimit, errors.New("the supervisor has not taken the stack over within "+resumeLimit.String()))
	defer cancel()
	err = t.client.WatchState(ctx, func(now *state.Status) bool {
		s = now
		return len(now.Workloads) == 0
	})
	return s, err
}

// resumeLimit bounds the wait for a supervisor to take over what the last one left.
const resumeLimit = 30 * time.Second

// nameFirst returns, in the place of the error that no supervisor runs, that for the first name that neither is a service of the stack
// nor begins like a pod of one. Any other error is returned as it is.
func nameFirst(c *cli.Context, t *target, err error, names ...string) error {
	if !errors.Is(err, api.ErrNoSupervisor) || len(names) == 0 {
		return err
	}
	known := namesInStack(c, t)
	for _, n := range names {
		begins := func(k string) bool {
			return n == k || strings.HasPrefix(n, k+"-") || strings.HasPrefix(n, t.instance.Name+"-"+k+"-")
		}
		if n != "" && len(known) > 0 && !slices.ContainsFunc(known, begins) {
			return unknownName("service", n, known)
		}
	}
	return err
}

// namesInStack are the names of the services of a stack without a supervisor: of the one that the last supervisor left, else of the
// file; none if neither can be read.
func namesInStack(c *cli.Context, t *target) []string {
	stack, err := supervisor.SavedStack(t.instance)
	if err == nil && stack == nil {
		stack, err = loadActive(c, "*", nil)
	}
	if err != nil {
		return nil
	}
	var out []string
	for _, w := range stack.Workloads {
		out = append(out, w.DisplayName(), w.Name())
		if c, err := compose.Decode(w.PodMeta().Annotations[compose.Annotation], t.instance.Name); err == nil && c.Name != "" {
			out = append(out, c.Name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
