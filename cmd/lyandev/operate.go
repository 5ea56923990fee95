package main

import (
	"context"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/catalogue"
	"github.com/lyandev/lyandev/supervisor/api"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// Operate runs a manual action of one of the running stack's operators and blocks until it has ended.
func (b backend) Operate(ctx context.Context, r api.OperateRequest) (result any, err error) {
	e := b.WithOperator(ctx, r.Operator, func(ctx context.Context, op services.Operator, view services.View) error {
		result, err = catalogue.Operate(ctx, op, view, r.Action, r.Target, r.Force)
		return err
	})
	return result, e
}

// operate requests a manual action and prints the operator's events on standard error until it has ended.
func operate(c *cli.Context, st *ui.Streams, r api.OperateRequest, into any) error {
	t, err := findTarget(c, nil)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(c.Context)
	told := make(chan struct{})
	go func() {
		defer close(told)
		tellProgress(ctx, st, t, r.Operator)
	}()
	err = t.client.Operate(c.Context, r, into)
	cancel()
	<-told
	return err
}

// tellProgress prints one line per event of the operator's pods until ctx ends.
func tellProgress(ctx context.Context, st *ui.Streams, t *target, operator string) {
	snap, err := t.client.State(ctx)
	if err != nil {
		return
	}
	pods := snap.Operators[operator].Pods
	seen := uint64(0)
	if old, err := t.client.Events(ctx, 0); err == nil && len(old) > 0 {
		seen = old[len(old)-1].Seq
	}
	_ = t.client.WatchEvents(ctx, seen, func(e state.Event) bool {
		if _, mine := pods[e.Name]; mine && e.Kind == "Pod" && e.Reason != "Unhealthy" {
			fmt.Fprintf(st.Err, "%s  %s: %s: %s\n", e.Last.Local().Format(time.TimeOnly), e.Name, e.Reason, e.Message)
		}
		return true
	})
}

// operatorCommand adds the action to a command of an operator; done prints the result.
func operatorCommand[T any](st *ui.Streams, operator string, cmd cli.Command, done func(result T, how output.Options) error) *cli.Command {
	cmd.Flags = append(cmd.Flags, output.Flags()...)
	cmd.Action = func(c *cli.Context) error {
		how, err := outputOf(c, st)
		if err != nil {
			return err
		}
		var result T
		r := api.OperateRequest{Operator: operator, Action: cmd.Name, Target: c.Args().First(), Force: c.Bool("force")}
		if err := operate(c, st, r, &result); err != nil {
			return err
		}
		if how.ForProgram() {
			return output.Object(st.Out, result, how)
		}
		return done(result, how)
	}
	return &cmd
}
