package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newExecCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "exec", Usage: "run a command in a running container", ArgsUsage: "SERVICE|POD CMD [ARG...]",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "container", Aliases: []string{"c"}, Usage: "the `CONTAINER` of the pod; default: its first"},
			&cli.StringFlag{Name: "user", Aliases: []string{"u"}, Usage: "run as `USER`"},
			&cli.StringFlag{Name: "workdir", Aliases: []string{"w"}, Usage: "run in `DIR`"},
			&cli.StringSliceFlag{Name: "env", Aliases: []string{"e"}, Usage: "set `NAME=VALUE`"},
			&cli.BoolFlag{Name: "no-tty", Aliases: []string{"T"}, Usage: "do not allocate a terminal"},
			&cli.BoolFlag{Name: "interactive", Aliases: []string{"i"}, Value: true, Usage: "pass standard input on"},
			&cli.BoolFlag{Name: "tty", Aliases: []string{"t"}, Value: true, Usage: "allocate a terminal if this is one"},
			&cli.BoolFlag{Name: "detach", Aliases: []string{"d"}, Usage: "start the command and return"},
			&cli.IntFlag{Name: "index", Usage: "run in the `N`th pod of the service; default: its first"},
			&cli.BoolFlag{Name: "privileged", Usage: "give the command all capabilities"},
		},
		Action: func(c *cli.Context) error {
			return runExec(c, st, c.Args().First(), c.Args().Tail())
		},
	}
}

func runExec(c *cli.Context, st *ui.Streams, name string, cmd []string) error {
	t, eng, err := openTarget(c)
	if err != nil {
		return err
	}
	defer eng.Close()
	found, err := findContainer(c.Context, eng, t, name, c.String("container"), c.Int("index"))
	if err != nil {
		return err
	}
	spec := engine.ExecSpec{
		Cmd: cmd, Env: c.StringSlice("env"), User: c.String("user"), WorkingDir: c.String("workdir"), Privileged: c.Bool("privileged"),
		Unmarked: true, Stdin: st.In, Stdout: st.RawOut(), Stderr: st.RawErr(),
	}
	ctx := c.Context
	if c.Bool("detach") {
		return eng.StartExec(ctx, found.ID, spec)
	}
	if st.InTTY && st.OutTTY && !c.Bool("no-tty") && c.Bool("tty") && c.Bool("interactive") {
		restore, sizes, err := rawTerminal(st)
		if err != nil {
			return err
		}
		defer restore()
		spec.TTY, spec.Resize = true, sizes
		spec.Env = append(spec.Env, "TERM="+os.Getenv("TERM"))
	} else {
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(ctx, os.Interrupt)
		defer stop()
		if !c.Bool("interactive") || !st.InTTY && !hasInput() {
			spec.Stdin = nil
		}
	}
	r, err := eng.Exec(ctx, found.ID, spec)
	if errors.Is(err, engine.ErrExecNotStarted) && r.ExitCode != 0 {
		return notStarted(found, cmd[0], err)
	}
	if errors.Is(err, engine.ErrExecNotStarted) {
		return notRunning(found, cmd[0], err)
	}
	if err != nil {
		return err
	}
	return exitCode(r.ExitCode)
}

// notStarted returns why a command could not be started, with the exit code that shells use: 126 for not executable, 127
// for not found. The engine reports 126 for both and has already printed its own message.
func notStarted(c engine.Container, command string, err error) error {
	code, why := 126, "the file is not executable"
	if text := err.Error(); strings.Contains(text, "not found") || strings.Contains(text, "no such file") {
		code, why = 127, "command not found in the image"
	}
	return withCode(code, fmt.Errorf("cannot run %s in container %s of pod %s: %s",
		command, c.Labels[services.ContainerLabel], c.Labels[services.PodLabel], why))
}

// notRunning returns why a command could not be started in a container that ran a moment ago. Errors about something else stay as they are.
func notRunning(c engine.Container, command string, err error) error {
	text := err.Error()
	state := ""
	switch {
	case strings.Contains(text, "No such container"), strings.Contains(text, "is marked for removal"):
		state = "has been removed: it is being replaced"
	case strings.Contains(text, "is restarting"):
		state = "is being restarted"
	case strings.Contains(text, "is not running"):
		state = "has just stopped"
	case strings.Contains(text, "is paused"):
		return fmt.Errorf("cannot run %s in pod %s: its container is paused; `lyandev unpause` lets it go on", command, c.Labels[services.PodLabel])
	default:
		return err
	}
	return fmt.Errorf("cannot run %s in pod %s: its container %s; run the command again in a moment, or see `lyandev ps`", command, c.Labels[services.PodLabel], state)
}

// hasInput reports whether standard input can be read, that is, is not the null device.
func hasInput() bool {
	info, err := os.Stdin.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice == 0
}

// rawTerminal puts the terminal into raw mode and forwards its size to the container. restore undoes that.
func rawTerminal(st *ui.Streams) (restore func(), sizes <-chan [2]uint, err error) {
	fd := int(os.Stdin.Fd())
	old, err := term.MakeRaw(fd)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot put the terminal into raw mode: %w", err)
	}
	ch := make(chan [2]uint, 1)
	stop := watchSize(func() {
		columns, rows := st.Size()
		select {
		case ch <- [2]uint{uint(columns), uint(rows)}:
		default:
		}
	})
	return func() { stop(); _ = term.Restore(fd, old) }, ch, nil
}
