package engine

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

// execMark is the environment variable that identifies a hung command and its children where their process IDs are not known,
// so that they can be killed: Docker has no call to end an exec, and closing the connection leaves the process running (20.10 to 28).
// Commands with ExecSpec.Unmarked do not have it.
const execMark = "LYANDEV_EXEC"

// Exec implements Containers.
func (d *Docker) Exec(ctx context.Context, id string, spec ExecSpec) (ExecResult, error) {
	return d.execMarked(ctx, id, spec, rand.Text())
}

func (d *Docker) execMarked(ctx context.Context, id string, spec ExecSpec, mark string) (ExecResult, error) {
	name, leave, err := d.gate.enter(ctx, id)
	if err != nil {
		return ExecResult{}, fmt.Errorf("cannot run %s in container %s: %w: %w", spec.Cmd[0], short(id), ErrExecNotStarted, err)
	}
	defer leave()
	env := spec.Env
	if !spec.Unmarked {
		env = append(slices.Clone(env), execMark+"="+mark)
	}
	made, err := within(ctx, answerLimit, func(ctx context.Context) (container.ExecCreateResponse, error) {
		return d.api.ContainerExecCreate(ctx, id, container.ExecOptions{
			Cmd: spec.Cmd, Env: env, User: spec.User,
			WorkingDir: spec.WorkingDir, Privileged: spec.Privileged, Tty: spec.TTY, AttachStdin: spec.Stdin != nil, AttachStdout: true, AttachStderr: true,
		})
	})
	if err != nil {
		return ExecResult{}, fmt.Errorf("cannot run %s in container %s: %w: %w", spec.Cmd[0], short(id), ErrExecNotStarted, err)
	}
	name(made.ID)
	conn, err := d.api.ContainerExecAttach(ctx, made.ID, container.ExecAttachOptions{Tty: spec.TTY})
	if err != nil {
		return ExecResult{}, fmt.Errorf("cannot run %s in container %s: %w: %w", spec.Cmd[0], short(id), ErrExecNotStarted, err)
	}
	defer conn.Close()

	out := newExecOutput(spec)
	done := make(chan error, 1)
	go func() { done <- out.copy(conn.Reader, spec.TTY) }()
	d.execInput(ctx, made.ID, spec, conn)

	var timeout <-chan time.Time
	if spec.Timeout > 0 {
		t := time.NewTimer(spec.Timeout)
		defer t.Stop()
		timeout = t.C
	}
	select {
	case err = <-done:
	case <-timeout:
		err = ErrExecTimeout
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		d.endExec(ctx, made.ID, id, mark, spec.Unmarked)
		return ExecResult{ExitCode: -1, Output: out.bytes()}, fmt.Errorf("cannot run %s in container %s: %w", spec.Cmd[0], short(id), err)
	}
	return d.execResult(ctx, made.ID, id, spec, out)
}

// StartExec starts a command and returns when the engine has started it. Nothing is attached to it; spec's streams and limits are
// not used.
func (d *Docker) StartExec(ctx context.Context, id string, spec ExecSpec) error {
	name, leave, err := d.gate.enter(ctx, id)
	if err != nil {
		return fmt.Errorf("cannot run %s in container %s: %w", spec.Cmd[0], short(id), err)
	}
	defer leave()
	made, err := d.api.ContainerExecCreate(ctx, id, container.ExecOptions{
		Cmd: spec.Cmd, Env: spec.Env, User: spec.User, WorkingDir: spec.WorkingDir, Privileged: spec.Privileged, Tty: spec.TTY, Detach: true,
	})
	if err == nil {
		name(made.ID)
		err = d.api.ContainerExecStart(ctx, made.ID, container.ExecStartOptions{Detach: true, Tty: spec.TTY})
	}
	return wrap(err, "run %s in container %s", spec.Cmd[0], short(id))
}

// execInput feeds stdin and terminal sizes, in goroutines that end with the connection or their channels.
func (d *Docker) execInput(ctx context.Context, execID string, spec ExecSpec, conn types.HijackedResponse) {
	if spec.Stdin != nil {
		go func() {
			_, _ = io.Copy(conn.Conn, spec.Stdin)
			_ = conn.CloseWrite()
		}()
	}
	if spec.Resize == nil {
		return
	}
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case size, ok := <-spec.Resize:
				if !ok {
					return
				}
				_ = d.api.ContainerExecResize(ctx, execID, container.ResizeOptions{Width: size[0], Height: size[1]})
			}
		}
	}()
}

// execResult polls for the exit code: the stream ends shortly before the engine knows it.
func (d *Docker) execResult(ctx context.Context, execID, id string, spec ExecSpec, out *execOutput) (ExecResult, error) {
	for wait := time.Millisecond; ; wait *= 2 {
		st, err := within(ctx, answerLimit, func(ctx context.Context) (container.ExecInspect, error) {
			return d.api.ContainerExecInspect(ctx, execID)
		})
		if err != nil {
			return ExecResult{Output: out.bytes()}, wrap(err, "get the exit code of %s in container %s", spec.Cmd[0], short(id))
		}
		if !st.Running {
			res := ExecResult{ExitCode: st.ExitCode, Output: out.bytes()}
			if text := out.begin(); (st.ExitCode == 126 || st.ExitCode == 127) && strings.Contains(text, "OCI runtime exec failed") {
				return res, fmt.Errorf("cannot run %s in container %s: %w: %s", spec.Cmd[0], short(id), ErrExecNotStarted,
					strings.TrimSpace(text))
			}
			return res, nil
		}
		select {
		case <-ctx.Done():
			return ExecResult{Output: out.bytes()}, wrap(ctx.Err(), "get the exit code of %s in container %s", spec.Cmd[0], short(id))
		case <-time.After(min(wait, 50*time.Millisecond)):
		}
	}
}

// execBegun reports whether the engine has started a command: its process ID is known.
func (d *Docker) execBegun(ctx context.Context, execID string) bool {
	st, err := d.api.ContainerExecInspect(ctx, execID)
	return err == nil && st.Pid != 0
}

// endExec kills a command whose caller no longer waits, with its children. If the engine runs on this Linux host, they are found by
// process ID and killed directly, or by a short-lived command in the container if this process may not; else by their mark, which
// unmarked ones do not have: those go on. It takes 5 s at most.
func (d *Docker) endExec(ctx context.Context, execID, id, mark string, unmarked bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	st, err := d.api.ContainerExecInspect(ctx, execID)
	if err != nil || !st.Running {
		return
	}
	killed, refused := killTree("/proc", st.Pid, id)
	if len(refused) > 0 {
		d.inside(ctx, id, "kill -9 "+strings.Join(refused, " "))
	}
	switch {
	case unmarked:
	case killed+len(refused) > 0: // and what has left the tree
		killMarked("/proc", execMark+"="+mark)
	default:
		d.killInside(ctx, id, mark)
	}
}

// killInside kills the marked processes through a command in the container.
func (d *Docker) killInside(ctx context.Context, id, mark string) {
	d.inside(ctx, id, `for p in /proc/[0-9]*; do if tr '\0' '\n' <$p/environ 2>/dev/null | grep -qx "`+execMark+"="+mark+
		`"; then kill -9 ${p#/proc/}; fi; done`)
}

// inside has the engine start a shell script in the container, as root. Images without a shell are not supported: their commands
// hardly ever hang.
func (d *Docker) inside(ctx context.Context, id, script string) {
	name, leave, err := d.gate.enter(ctx, id)
	if err != nil {
		return
	}
	defer leave()
	made, err := d.api.ContainerExecCreate(ctx, id, container.ExecOptions{Cmd: []string{"sh", "-c", script}, User: "0"})
	if err == nil {
		name(made.ID)
		_ = d.api.ContainerExecStart(ctx, made.ID, container.ExecStartOptions{Detach: true})
	}
}

// execOutput collects or forwards what a command prints.
type execOutput struct {
	stdout, stderr io.Writer
	mu             sync.Mutex
	outBuf, errBuf limitedBuffer
	// head is the beginning of stdout: the engine writes there why a command could not be started.
	head limitedBuffer
}

func newExecOutput(spec ExecSpec) *execOutput {
	limit := spec.OutputLimit
	if limit == 0 {
		limit = 64 << 10
	}
	o := &execOutput{stdout: spec.Stdout, stderr: spec.Stderr}
	o.outBuf.left, o.errBuf.left = limit, limit
	if o.stdout == nil {
		o.stdout = lockedWriter{&o.mu, &o.outBuf}
	}
	if o.stderr == nil {
		o.stderr = lockedWriter{&o.mu, &o.errBuf}
	}
	o.head.left = 1 << 10
	o.stdout = io.MultiWriter(lockedWriter{&o.mu, &o.head}, o.stdout)
	return o
}

func (o *execOutput) copy(r io.Reader, tty bool) error {
	var err error
	if tty {
		_, err = io.Copy(o.stdout, r)
	} else {
		_, err = stdcopy.StdCopy(o.stdout, o.stderr, r)
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func (o *execOutput) bytes() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append(bytes.Clone(o.outBuf.Bytes()), o.errBuf.Bytes()...)
}

func (o *execOutput) begin() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.head.String()
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// limitedBuffer keeps the first bytes and drops the rest without failing the writer.
type limitedBuffer struct {
	bytes.Buffer
	left int
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	n := min(len(p), b.left)
	b.left -= n
	_, _ = b.Buffer.Write(p[:n])
	return len(p), nil
}
