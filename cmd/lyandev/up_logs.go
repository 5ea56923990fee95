package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/services/mask"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// attach applies the stack to the running supervisor and, unless detached, follows the logs.
func attach(c *cli.Context, t *target, o upOptions) error {
	if o.detach {
		return detached(c, t, o)
	}
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt, syscall.SIGTERM)
	defer stop()
	began := time.Now()
	o.wait = true
	followed := o.followLogs(ctx, c, t, began)
	if err := applyAndShow(c.Context, t, o); err != nil {
		return err
	}
	printWhereToLook(o.st, t, began)
	if o.noLogs {
		return nil
	}
	fmt.Fprintln(o.st.Err, o.st.Paint(ui.Dim, "attached to the running supervisor; Ctrl-C detaches, `lyandev down` stops the stack"))
	if !o.quiet {
		go tellChanges(ctx, t, o.st)
	}
	return <-followed
}

// followLogs makes applyAndShow begin to print what the containers of the stack write after began, above the progress, unless
// o.noLogs. The channel receives an error, or nil at the end of ctx.
func (o *upOptions) followLogs(ctx context.Context, c *cli.Context, t *target, began time.Time) <-chan error {
	followed := make(chan error, 1)
	if o.noLogs {
		return followed
	}
	o.shown = func(p ui.Progress) {
		logs := o.logs
		logs.tail, logs.since, logs.mask, logs.above, logs.silent = -1, began, mask.New(o.request.Stack), p.Above, silent(o.request.Stack)
		go func() { followed <- printLogs(ctx, c, o.st, t, logs) }()
	}
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
