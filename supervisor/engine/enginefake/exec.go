package enginefake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/lyandev/lyandev/supervisor/engine"
)

// Command answers a command that is run in a container: it reads x.Stdin, writes x.Stdout and x.Stderr, and returns the
// exit code. It must return when ctx ends. engine.ErrExecNotStarted says that there is no such command.
type Command func(ctx context.Context, x *Execution) (code int, err error)

// Execution is one command that runs.
type Execution struct {
	// Container is the container's name.
	Container      string
	Cmd, Env       []string
	User, Dir      string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Succeed is a Command that knows every command and exits 0 at once.
func Succeed(context.Context, *Execution) (int, error) { return 0, nil }

var errGone = errors.New("container stopped")

// Exec implements engine.Containers. As with Docker, the command is killed (137) when its container stops.
func (e *Engine) Exec(ctx context.Context, id string, spec engine.ExecSpec) (engine.ExecResult, error) {
	run, gone, err := e.prepare(ctx, id)
	if err != nil {
		return engine.ExecResult{}, fmt.Errorf("cannot run %s in container %s: %w", spec.Cmd[0], short(id), err)
	}
	out := newOutput(spec)
	x := &Execution{
		Container: run.name, Cmd: spec.Cmd, Env: spec.Env, User: spec.User, Dir: spec.WorkingDir,
		Stdin: spec.Stdin, Stdout: out.stdout, Stderr: out.stderr,
	}
	if x.Stdin == nil {
		x.Stdin = bytes.NewReader(nil)
	}
	code, err := e.execute(ctx, spec, run, gone, x)
	switch {
	case errors.Is(err, errGone):
		return engine.ExecResult{ExitCode: 137, Output: out.bytes()}, nil
	case errors.Is(err, engine.ErrExecNotStarted):
		return engine.ExecResult{ExitCode: 127}, fmt.Errorf("cannot run %s in container %s: %w", spec.Cmd[0], short(id), err)
	case err != nil:
		return engine.ExecResult{ExitCode: -1, Output: out.bytes()},
			fmt.Errorf("cannot run %s in container %s: %w", spec.Cmd[0], short(id), err)
	}
	return engine.ExecResult{ExitCode: code, Output: out.bytes()}, nil
}

type runningExec struct {
	name    string
	command Command
	down    chan struct{}
}

// prepare finds the container and what answers commands in it.
func (e *Engine) prepare(ctx context.Context, id string) (runningExec, chan struct{}, error) {
	var run runningExec
	var gone chan struct{}
	err := e.call(ctx, "Exec", id, func() error {
		c, err := e.need(id)
		switch {
		case err != nil:
		case c.state == engine.StatePaused:
			err = errConflict("Container %s is paused, unpause the container before exec", c.id)
		case !c.alive():
			err = errConflict("Container %s is not running", c.id)
		}
		if err != nil {
			return fmt.Errorf("%w: %w", engine.ErrExecNotStarted, err)
		}
		run = runningExec{name: c.name, command: c.script.Exec, down: e.down}
		gone = c.gone
		return nil
	})
	return run, gone, err
}

// execute runs a command to its end, or to the first of: ctx, the timeout, the end of the container or the connection.
func (e *Engine) execute(ctx context.Context, spec engine.ExecSpec, run runningExec, gone chan struct{}, x *Execution) (int, error) {
	if run.command == nil {
		return 127, fmt.Errorf("%w: OCI runtime exec failed: exec: %q: executable file not found in $PATH", engine.ErrExecNotStarted, spec.Cmd[0])
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if spec.Timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, spec.Timeout, engine.ErrExecTimeout)
		defer stop()
	}
	type answer struct {
		code int
		err  error
	}
	done := make(chan answer, 1)
	go func() {
		code, err := run.command(ctx, x)
		done <- answer{code, err}
	}()
	select {
	case a := <-done:
		if cause := context.Cause(ctx); cause != nil {
			return -1, cause
		}
		return a.code, a.err
	case <-ctx.Done():
		return -1, context.Cause(ctx)
	case <-gone:
		return 137, errGone
	case <-run.down:
		return -1, errUnavailable("unexpected EOF")
	}
}

// output collects or forwards what a command prints.
type output struct {
	stdout, stderr io.Writer
	mu             sync.Mutex
	out, err       bytes.Buffer
}

func newOutput(spec engine.ExecSpec) *output {
	limit := spec.OutputLimit
	if limit == 0 {
		limit = 64 << 10
	}
	o := &output{stdout: spec.Stdout, stderr: spec.Stderr}
	if o.stdout == nil {
		o.stdout = &collector{mu: &o.mu, buf: &o.out, left: limit}
	}
	if o.stderr == nil {
		o.stderr = &collector{mu: &o.mu, buf: &o.err, left: limit}
	}
	if spec.TTY {
		o.stderr = o.stdout
	}
	return o
}

func (o *output) bytes() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append(bytes.Clone(o.out.Bytes()), o.err.Bytes()...)
}

type collector struct {
	mu   *sync.Mutex
	buf  *bytes.Buffer
	left int
}

func (c *collector) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := min(len(p), c.left)
	c.left -= n
	_, _ = c.buf.Write(p[:n])
	return len(p), nil
}
