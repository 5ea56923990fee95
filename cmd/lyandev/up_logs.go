package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/services/mask"
	"github.com/lyandev/lyandev/supervisor/ui"
	"github.com/lyandev/lyandev/supervisor/ui/screen"
)

// attach applies the stack to the running supervisor and, unless detached, follows the logs and shows what happens until Ctrl-C or until
// the supervisor ends.
func attach(c *cli.Context, t *target, o upOptions) error {
	if o.detach {
		return detached(c, t, o)
	}
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt, syscall.SIGTERM)
	defer stop()
	began := time.Now()
	o.wait, o.timeout = true, foregroundLimit
	hint := "Ctrl-C detaches"
	if o.noLogs {
		hint = ""
	}
	v := o.open(ctx, c, t, began, hint)
	defer v.close()
	err := v.start(ctx, began)
	switch {
	case ctx.Err() != nil:
		return v.detach()
	case err != nil && (o.noLogs || !isNotReady(err)):
		return err
	case o.noLogs:
		return nil
	}
	if !o.quiet {
		v.progress.Note(o.st.Paint(ui.Dim, "attached to the running supervisor; Ctrl-C detaches, `lyandev down` stops the stack"))
	}
	select {
	case <-v.told:
		if ctx.Err() != nil {
			return v.detach()
		}
		v.progress.Note("the supervisor has ended; `lyandev up` starts it")
		return nil
	case err := <-v.followed:
		if ctx.Err() != nil {
			return v.detach()
		}
		return err
	}
}

// foregroundLimit is how long a foreground `up` waits for the stack to be ready: until Ctrl-C.
const foregroundLimit = 24 * time.Hour

// follower shows a stack from its start on, in a foreground `up`: the progress of the start, the logs, and what happens.
type follower struct {
	o        upOptions
	target   *target
	progress screen.Progress
	// applied is true when the supervisor has accepted the stack.
	applied atomic.Bool
	// settled is closed when the start has been shown, told when the supervisor has ended or the view has. followed gets the end of
	// the logs.
	settled, told chan struct{}
	followed      <-chan error
}

// open begins to show the stack, until ctx ends. hint says what Ctrl-C does.
func (o upOptions) open(ctx context.Context, c *cli.Context, t *target, began time.Time, hint string) *follower {
	o.progress = screen.New(o.st, screen.Options{Quiet: o.quiet, EndsTold: true, Hint: hint, Probes: t.client.ProbeAnswers})
	v := &follower{o: o, target: t, progress: o.progress, settled: make(chan struct{}), told: make(chan struct{})}
	v.followed = o.followLogs(ctx, c, t, began)
	go func() {
		defer close(v.told)
		tellChanges(ctx, t, v.progress, v.settled)
	}()
	return v
}

// start applies the stack and shows its start, until it is ready or cannot get ready. The stack goes on running after an error for
// which isNotReady is true: it was shown.
func (v *follower) start(ctx context.Context, began time.Time) error {
	v.o.accepted = func() { v.applied.Store(true) }
	err := applyAndShow(ctx, v.target, v.o)
	switch {
	case err == nil:
		tellWhereToLook(v.o.st, v.target, began, v.progress.Note)
	case isNotReady(err):
		v.progress.Note(v.o.st.Paint(ui.Yellow, err.Error()))
	default:
		return err
	}
	v.progress.Settle()
	close(v.settled)
	return err
}

// isNotReady reports whether an error says that a stack runs and is not ready.
func isNotReady(err error) bool {
	var coded *codedError
	return errors.As(err, &coded) && coded.code == exitNotReady
}

// detach says what Ctrl-C did to an attached `up`.
func (v *follower) detach() error {
	v.close()
	if !v.applied.Load() {
		fmt.Fprintln(v.o.st.Err, "interrupted before the stack was applied; what ran before goes on running")
		return exitCode(exitInterrupted)
	}
	if !v.o.quiet {
		fmt.Fprintln(v.o.st.Err, "detached; the stack goes on running: `lyandev up` attaches again, `lyandev down` stops it")
	}
	return nil
}

func (v *follower) close() { v.progress.Close() }

// followLogs prints what the containers of the stack write after began, unless o.noLogs. The channel receives an error, or nil at the
// end of ctx.
func (o *upOptions) followLogs(ctx context.Context, c *cli.Context, t *target, began time.Time) <-chan error {
	followed := make(chan error, 1)
	if o.noLogs {
		return followed
	}
	logs := o.logs
	logs.tail, logs.since, logs.mask, logs.to, logs.silent = -1, began, mask.New(o.request.Stack), o.progress.Logs(), silent(o.request.Stack)
	go func() { followed <- printLogs(ctx, c, o.st, t, logs) }()
	return followed
}

// silent are the workloads of the services with attach: false.
func silent(stack *services.Stack) map[string]bool {
	out := map[string]bool{}
	for _, w := range stack.Workloads {
		if text := w.PodMeta().Annotations[compose.Annotation]; text != "" {
			want, err := compose.Decode(text, stack.Name)
			out[w.Name()] = err == nil && want.Quiet
		}
	}
	return out
}
