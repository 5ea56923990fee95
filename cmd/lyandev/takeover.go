package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/network"
	"github.com/lyandev/lyandev/supervisor/pod/composepod"
	"github.com/lyandev/lyandev/supervisor/takeover"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// takeOver removes the containers that Docker Compose started for the project, if any of them is in the way of the stack and
// the user says so: with --take-over (yes), or when asked at a terminal. Else it returns an error that lists them. An engine
// that does not answer is no error here: what comes next says so better.
func takeOver(ctx context.Context, st *ui.Streams, t *target, stack *services.Stack, yes bool) error {
	eng, err := connect(ctx)
	if err != nil {
		return nil
	}
	defer eng.Close()
	return takeOverWith(ctx, eng, st, t.instance, stack, yes)
}

func takeOverWith(ctx context.Context, eng takeover.Engine, st *ui.Streams, i *instance.Instance, stack *services.Stack, yes bool) error {
	project, exposed := i.Name, stack.DeepCopy()
	network.Expose(exposed)
	found, err := takeover.Find(ctx, eng, project, exposed)
	if err != nil {
		return err
	}
	inTheWay := takeover.InTheWay(found)
	if len(inTheWay) == 0 {
		return nil
	}
	var list strings.Builder
	for _, c := range inTheWay {
		fmt.Fprintf(&list, "  %s (%s): %s\n", c.Name, c.State, strings.Join(c.Why, "; "))
	}
	if !yes && st.InTTY && st.ErrTTY {
		fmt.Fprintf(st.Err, "Docker Compose has containers of project %s that are in the way:\n%s"+
			"Stop and remove all %d containers that it has for the project? Volumes are kept and used. [y/N] ", project, &list, len(found))
		answer, _ := bufio.NewReader(st.In).ReadString('\n')
		yes = strings.EqualFold(strings.TrimSpace(answer), "y") || strings.EqualFold(strings.TrimSpace(answer), "yes")
		if !yes {
			return errors.New("nothing was changed: the containers of Docker Compose are in the way")
		}
	}
	if !yes {
		return withCode(exitUsage, fmt.Errorf("cannot start the stack: containers that Docker Compose started for project %s are in the way:\n%s"+
			"run `lyandev up --take-over` to stop and remove them (volumes are kept and used), or `docker compose down`", project, &list))
	}
	fmt.Fprintf(st.Err, "taking over project %s from Docker Compose: removing %d containers\n", project, len(found))
	if err := keepAnonymous(i, exposed, found); err != nil {
		return err
	}
	return takeover.Remove(ctx, eng, project, exposed, found)
}

// keepAnonymous keeps the anonymous volumes of containers that are about to be removed for the stack's containers in their place.
func keepAnonymous(i *instance.Instance, stack *services.Stack, list []takeover.Container) error {
	if err := i.Save(); err != nil {
		return err
	}
	a := &composepod.Anonymous{File: i.File(composepod.AnonymousFile)}
	for _, c := range list {
		x := stack.Find(c.Labels[takeover.ServiceLabel])
		if x == nil || !x.Plain() || c.Labels[takeover.OneOffLabel] == "True" {
			continue
		}
		want, err := compose.Decode(x.PodMeta().Annotations[compose.Annotation], i.Name)
		if err == nil {
			err = a.Keep(x.Name()+"-"+c.Labels[takeover.NumberLabel], composepod.AnonymousOf(&c.Container, want))
		}
		if err != nil {
			return fmt.Errorf("cannot take over the anonymous volumes of %s: %w", c.Name, err)
		}
	}
	return nil
}
