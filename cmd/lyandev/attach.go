package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newAttachCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "attach", Usage: "connect this terminal to the main process of a running container", ArgsUsage: "SERVICE|POD",
		Description: "Input reaches the process if its service has stdin_open. Ctrl-C is passed to the process as a signal, which usually ends\n" +
			"it; with --sig-proxy=false it only detaches. From a service with tty, ctrl-p ctrl-q detaches. To read the output, see\n" +
			"lyandev logs -f.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "container", Aliases: []string{"c"}, Usage: "the `CONTAINER` of the pod; default: its first"},
			&cli.IntFlag{Name: "index", Usage: "the `N`th pod of the service; default: its first"},
			&cli.StringFlag{Name: "detach-keys", Usage: "the `KEYS` that detach; default: ctrl-p,ctrl-q"},
			&cli.BoolFlag{Name: "no-stdin", Usage: "do not pass standard input on"},
			&cli.BoolFlag{Name: "sig-proxy", Value: true, Usage: "pass signals to the process"},
		},
		Action: func(c *cli.Context) error { return runAttach(c, st) },
	}
}

func runAttach(c *cli.Context, st *ui.Streams) error {
	t, eng, err := openTarget(c)
	if err != nil {
		return err
	}
	defer eng.Close()
	found, err := findContainer(c.Context, eng, t, c.Args().First(), c.String("container"), c.Int("index"))
	if err != nil {
		return err
	}
	found, err = eng.InspectContainer(c.Context, found.ID)
	if err != nil {
		return err
	}
	opts := engine.AttachOptions{Stdout: st.RawOut(), Stderr: st.RawErr(), DetachKeys: c.String("detach-keys")}
	if found.Stdin && !c.Bool("no-stdin") && (st.InTTY || hasInput()) {
		opts.Stdin = st.In
	}
	fmt.Fprintf(st.Err, "attached to %s/%s\n", found.Labels[services.PodLabel], found.Labels[services.ContainerLabel])
	ctx, end := context.WithCancel(c.Context)
	defer end()
	if found.TTY && opts.Stdin != nil && st.InTTY && st.OutTTY {
		restore, err := shareTerminal(ctx, st, eng, found.ID)
		if err != nil {
			return err
		}
		defer restore()
	} else {
		defer passSignals(ctx, eng, found.ID, c.Bool("sig-proxy"), end)()
	}
	return attachTo(ctx, eng, found.ID, opts)
}

// attachTo attaches to a container and blocks until its process has ended, somebody detached or ctx ends. The process's exit code
// is this command's.
func attachTo(ctx context.Context, eng engine.Engine, id string, opts engine.AttachOptions) error {
	wait, err := eng.Attach(ctx, id, opts)
	if err != nil {
		return err
	}
	if err := wait(); err != nil {
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	}
	c, err := eng.InspectContainer(context.WithoutCancel(ctx), id)
	if engine.IsNotFound(err) || err == nil && c.State == engine.StateRunning {
		return nil // detached, or it was replaced
	}
	if err != nil {
		return err
	}
	return exitCode(c.ExitCode)
}

// passSignals passes Ctrl-C and SIGTERM to a container's process, or calls end for them, until the returned function is called.
func passSignals(ctx context.Context, eng engine.Engine, id string, pass bool, end func()) (stop func()) {
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case s := <-ch:
				name := "SIGINT"
				if s == syscall.SIGTERM {
					name = "SIGTERM"
				}
				if !pass || eng.KillContainer(ctx, id, name) != nil {
					end()
				}
			}
		}
	}()
	return func() { signal.Stop(ch); close(done) }
}
