package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor"
	"github.com/lyandev/lyandev/supervisor/api"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/switchplan"
	"github.com/lyandev/lyandev/supervisor/ui"
	"github.com/lyandev/lyandev/supervisor/ui/screen"
)

func runProfileUse(c *cli.Context, st *ui.Streams) error {
	name := c.Args().First()
	if c.Duration("limit") <= 0 {
		return withCode(exitUsage, fmt.Errorf("cannot use --limit %s: it must be greater than 0", c.Duration("limit")))
	}
	stack, err := loadStack(c, name)
	if err != nil {
		return err
	}
	if name == "" && stack.OwnProfile != "" {
		return withCode(exitUsage, fmt.Errorf("cannot use no profile: the file's default profile, %s, is active whenever no other is", stack.OwnProfile))
	}
	t, err := findTarget(c, stack)
	if err != nil {
		return err
	}
	if err := ensureSupervisor(c, t, "lyandev up --profile "+name); err != nil {
		return err
	}
	how, err := outputOf(c, st)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt)
	defer stop()
	if err := finishFormer(ctx, t, st, c.Bool("quiet")); err != nil {
		return err
	}
	if !c.Bool("dry-run") {
		if err := provide(c, st, t, stack, nil); err != nil {
			return err
		}
	}
	req := api.SwitchRequest{Limit: c.Duration("limit")}
	req.Stack, req.Build, req.NoBuild = stack, c.Bool("build"), c.Bool("no-build")
	req.PortsAuto = t.portsAuto(c)
	req.Began = timed(req.Began, "read the files")
	var plan switchplan.Plan
	if err := t.client.PlanSwitch(ctx, req, &plan); err != nil {
		return err
	}
	if plan.From == plan.To {
		active := fmt.Sprintf("profile %s of %s is already active", plan.To, t.instance.Name)
		if plan.To == "" {
			active = t.instance.Name + " runs without a profile already"
		}
		fmt.Fprintf(st.Err, "%s; run `lyandev up` to apply changes to the file\n", active)
		return nil
	}
	if err := printSwitch(st, plan, how, c.Bool("dry-run")); err != nil {
		return err
	}
	if err := tellBuilds(c, st, stack, req.ApplyRequest); err != nil || c.Bool("dry-run") {
		return err
	}
	began := time.Now()
	req.Began = timed(req.Began, "plan the switch")
	if err := t.client.Switch(ctx, req); err != nil {
		return err
	}
	return watchSwitch(ctx, t, st, began, c.Bool("quiet"), how)
}

// errNotUp is returned for an instance without running pods.
var errNotUp = errors.New("no pods are running")

// ensureSupervisor starts a supervisor in the background if pods of the instance run without one (it was killed). It returns
// an errNotUp if no pods run; hint is the command that starts them.
func ensureSupervisor(c *cli.Context, t *target, hint string) error {
	if answers, err := t.answers(c.Context); err != nil || answers {
		return err
	}
	eng, err := connect(c.Context)
	if err != nil {
		return err
	}
	defer eng.Close()
	snap, err := supervisor.Observe(c.Context, eng, t.instance)
	if err != nil {
		return err
	}
	if len(snap.Pods) == 0 {
		return fmt.Errorf("cannot find a running stack of %s: %w; start it with `%s`", t.instance.Name, errNotUp, hint)
	}
	return startInBackground(c, t)
}

// finishFormer waits for a switch that is still in progress, for example after a restart of the supervisor.
func finishFormer(ctx context.Context, t *target, st *ui.Streams, quiet bool) error {
	s, err := t.client.State(ctx)
	if err != nil || s.Switch.Over() {
		return err
	}
	fmt.Fprintf(st.Err, "waiting for the switch %s, which is still in progress\n", state.FromTo(s.Switch.From, s.Switch.To))
	if err := watchSwitch(ctx, t, st, time.Time{}, quiet, output.Options{}); err != nil && ctx.Err() != nil {
		return err
	}
	return nil
}

// printSwitch prints the plan of a switch; for programs only if it is all there is to print.
func printSwitch(st *ui.Streams, plan switchplan.Plan, how output.Options, only bool) error {
	if how.ForProgram() && only {
		return output.Object(st.Out, plan, how)
	}
	fmt.Fprintf(st.Err, "%s -> %s\n", st.Paint(ui.Bold, state.ShownProfile(plan.From)), st.Paint(ui.Bold, state.ShownProfile(plan.To)))
	for _, step := range plan.Steps {
		style := ui.Green
		switch step.Do {
		case "keep":
			style = ui.Dim
		case "stop", "replace":
			style = ui.Red
		case "change", "scale", "roll", "move":
			style = ui.Yellow
		}
		fmt.Fprintf(st.Err, "  %s\n", st.Paint(style, step.String()))
	}
	return nil
}

// tellBuilds says which images a switch builds first: the plan is made without them. Without an engine it says nothing.
func tellBuilds(c *cli.Context, st *ui.Streams, stack *services.Stack, r api.ApplyRequest) error {
	eng, err := connect(c.Context)
	if err != nil {
		return nil //nolint:nilerr // the switch itself tells
	}
	defer eng.Close()
	_, images, err := checkImages(c, st, eng, stack.Builds, r)
	for _, i := range images {
		fmt.Fprintf(st.Err, "  %s\n", st.Paint(ui.Yellow, fmt.Sprintf("build   image %s: %s; if it comes out different, its services get new pods", i.Image, strings.Join(i.Because, ", "))))
	}
	return err
}

// watchSwitch shows progress until the switch that started at began or later has ended, and prints its result. A zero
// began means the current switch.
func watchSwitch(ctx context.Context, t *target, st *ui.Streams, began time.Time, quiet bool, how output.Options) error {
	progress := screen.New(st, screen.Options{Quiet: quiet})
	var last *state.Switch
	phase := state.SwitchPhase("")
	err := t.client.WatchState(ctx, func(s *state.Status) bool {
		progress.Show(s)
		if s.Switch == nil || s.Switch.Started.Before(began) {
			return !began.IsZero() // not published yet
		}
		last = s.Switch
		if last.Phase != phase && !quiet && !st.ErrTTY {
			phase = last.Phase
			fmt.Fprintf(st.Err, "%6.1fs  %s\n", max(0, s.Time.Sub(last.Started).Seconds()), phase)
		}
		return !last.Over()
	})
	progress.Close()
	if ctx.Err() != nil {
		fmt.Fprintln(st.Err, "\nthe switch continues; see its progress with `lyandev profile use` and `lyandev ps`")
		return exitCode(exitInterrupted)
	}
	if err != nil || last == nil {
		return err
	}
	if how.ForProgram() {
		if err := output.Object(st.Out, last, how); err != nil {
			return err
		}
	}
	return tellSwitch(st, last)
}

func tellSwitch(st *ui.Streams, s *state.Switch) error {
	took := s.Ended.Sub(s.Started).Round(100 * time.Millisecond)
	for _, pod := range s.Moved {
		fmt.Fprintf(st.Err, "  %s was promoted to master during the switch\n", pod)
	}
	switch s.Phase {
	case state.SwitchDone:
		fmt.Fprintf(st.Err, "switched from %s to %s in %s\n", s.From, st.Paint(ui.Bold, s.To), took)
		return nil
	case state.SwitchRefused:
		return fmt.Errorf("cannot switch from %s to %s: %s", s.From, s.To, s.Error)
	case state.SwitchRolledBack:
		return withCode(exitNotReady, fmt.Errorf("the switch from %s to %s was rolled back after %s; %s is active again: %s", s.From, s.To, took, s.From, s.Error))
	}
	return withCode(exitNotReady, fmt.Errorf("the switch from %s to %s failed: %s; see `lyandev ps` and `lyandev events`", s.From, s.To, s.Error))
}
