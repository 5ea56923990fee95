// Package livesync copies changed files into running containers, and records them for containers that are created later.
//
// A Channel is a helper process in a container (the shim's control, see package shim) that is started once and kept. Writing a
// file or restarting the process through it takes 1-2 ms; a copy or exec through the engine takes 50-100 ms. A container that
// is created but not running gets its files as an archive (Lay).
package livesync

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/shim"
)

// Execer is the part of engine.Engine that a Channel needs.
type Execer interface {
	Exec(ctx context.Context, id string, spec engine.ExecSpec) (engine.ExecResult, error)
}

// ErrClosed means that the helper process has ended, with the container or by itself.
var ErrClosed = errors.New("the helper in the container has ended")

// RefusedError is an error of the helper. The channel remains usable.
type RefusedError struct{ Text string }

func (e *RefusedError) Error() string { return e.Text }

// Channel is a helper process in one container. It is safe for concurrent use; calls are serialised.
type Channel struct {
	// Shim is true if the container's command runs under a shim, which Restart requires.
	Shim bool

	cancel context.CancelFunc
	ended  chan struct{}
	why    error // set before ended closes
	// closing is closed by Close; the channel cannot be used afterwards.
	closing chan struct{}

	turn chan struct{}
	in   *io.PipeWriter
	out  *bufio.Reader
	once sync.Once
}

// openTimeout bounds the start of the helper.
const openTimeout = 20 * time.Second

// Open starts the helper in a running container, as root, and blocks until it answers, 20 s at most. binary is its path in the
// container, socket the shim's socket name (shim.Args). The channel lives until Close or the end of the container, not of ctx.
func Open(ctx context.Context, eng Execer, container, binary, socket string) (*Channel, error) {
	return openWith(ctx, eng, container, binary, shim.ControlCommand, socket)
}

// OpenBeside is Open for a container whose files are written from a second one, helper, which shares its PID namespace and has the
// binary as its image: the helper takes the root directory of process 1 for its own. There is no shim.
func OpenBeside(ctx context.Context, eng Execer, helper, binary string) (*Channel, error) {
	return openWith(ctx, eng, helper, binary, shim.ControlCommand, "", "/proc/1/root")
}

func openWith(ctx context.Context, eng Execer, container string, cmd ...string) (*Channel, error) {
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	c := &Channel{cancel: cancel, ended: make(chan struct{}), closing: make(chan struct{}), turn: make(chan struct{}, 1), in: inW, out: bufio.NewReader(outR)}
	errText := &tail{}
	go func() {
		res, err := eng.Exec(life, container, engine.ExecSpec{
			Cmd: cmd, User: "0", WorkingDir: "/", Stdin: inR, Stdout: outW, Stderr: errText,
		})
		if err == nil {
			err = fmt.Errorf("%w with exit code %d: %s", ErrClosed, res.ExitCode, errText)
		}
		c.why = err
		close(c.ended)
		_ = inR.CloseWithError(ErrClosed)
		_ = outW.CloseWithError(ErrClosed)
	}()
	ctx, done := context.WithTimeout(ctx, openTimeout)
	defer done()
	reply, err := c.call(ctx, shim.Request{Op: shim.Hello}, nil)
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("cannot start the helper in the container: %w", err)
	}
	c.Shim = reply.Shim
	return c, nil
}

// Ended returns a channel that is closed when the helper has ended.
func (c *Channel) Ended() <-chan struct{} { return c.ended }

// Usable reports whether the channel is open: not closed by Close or by an error, and the helper has not ended.
func (c *Channel) Usable() bool {
	select {
	case <-c.ended:
		return false
	case <-c.closing:
		return false
	default:
		return true
	}
}

// Close ends the helper. It does not wait.
func (c *Channel) Close() {
	c.once.Do(func() {
		close(c.closing)
		_ = c.in.Close() // the helper ends by itself then; the engine's exec with it
		time.AfterFunc(time.Second, c.cancel)
	})
}

// Restarted is the result of a restart.
type Restarted struct {
	// Stop is how long the process took to end, Start how long to start again. Killed means that the grace period expired.
	Stop, Start time.Duration
	Killed      bool
}

// Restart stops the container's process, kills it after the grace period, and starts it again. It blocks until it is running
// again.
func (c *Channel) Restart(ctx context.Context, grace time.Duration) (Restarted, error) {
	reply, err := c.call(ctx, shim.Request{Op: shim.Restart, GraceMillis: grace.Milliseconds()}, nil)
	if err != nil {
		return Restarted{}, fmt.Errorf("cannot restart the process: %w", err)
	}
	return Restarted{
		Stop:  time.Duration(reply.StopMicros) * time.Microsecond,
		Start: time.Duration(reply.StartMicros) * time.Microsecond, Killed: reply.Killed,
	}, nil
}

// Lay writes and removes files in the container as the items specify, in order. An item whose source was deleted in the
// meantime is skipped: its removal follows. Errors of single files are joined; the other files were written.
func (c *Channel) Lay(ctx context.Context, items []Item) error {
	files := filesOf(items)
	list := make([]shim.File, len(files))
	for i, f := range files {
		list[i] = f.file
	}
	if len(files) == 0 {
		return nil
	}
	_, err := c.call(ctx, shim.Request{Op: shim.Lay, Files: list}, func(w io.Writer) error { return writeContents(w, files) })
	return err
}

// call sends a request with its contents and reads the reply. After an I/O error the streams are out of sync, so it ends the
// helper.
func (c *Channel) call(ctx context.Context, q shim.Request, contents func(io.Writer) error) (shim.Reply, error) {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return shim.Reply{}, context.Cause(ctx)
	}
	type answer struct {
		reply shim.Reply
		err   error
	}
	got := make(chan answer, 1)
	go func() {
		var a answer
		if a.err = c.send(q, contents); a.err == nil {
			a.reply, a.err = c.receive()
		}
		got <- a
	}()
	select {
	case a := <-got:
		if a.err != nil {
			c.Close()
			return shim.Reply{}, c.reason(a.err)
		}
		if a.reply.Error != "" {
			return a.reply, &RefusedError{a.reply.Error}
		}
		return a.reply, nil
	case <-c.ended:
		return shim.Reply{}, c.reason(ErrClosed)
	case <-ctx.Done():
		c.Close()
		c.cancel()
		return shim.Reply{}, context.Cause(ctx)
	}
}

func (c *Channel) send(q shim.Request, contents func(io.Writer) error) error {
	line, err := json.Marshal(q)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(c.in, 256<<10)
	if _, err := w.Write(append(line, '\n')); err != nil {
		return err
	}
	if contents != nil {
		if err := contents(w); err != nil {
			return err
		}
	}
	return w.Flush()
}

func (c *Channel) receive() (shim.Reply, error) {
	var r shim.Reply
	line, err := c.out.ReadBytes('\n')
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(line, &r)
}

// reason returns why the helper ended, if it did, else err: the engine's error says more than that of the broken stream.
func (c *Channel) reason(err error) error {
	select {
	case <-c.ended:
		if c.why != nil {
			return c.why
		}
		return err
	case <-time.After(time.Second):
		return err
	}
}

// tail keeps the end of the helper's stderr.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-1000):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}

// writeContents writes exactly the announced number of bytes of each file. A file that was truncated in the meantime is padded;
// its change is noticed and it is synced again.
func writeContents(w io.Writer, files []sourced) error {
	for _, f := range files {
		if f.file.Size == 0 {
			continue
		}
		if err := writeExactly(w, f.source, f.file.Size); err != nil {
			return err
		}
	}
	return nil
}

func writeExactly(w io.Writer, path string, size int64) error {
	var n int64
	if in, err := os.Open(path); err == nil {
		n, err = io.CopyN(w, in, size)
		_ = in.Close()
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	_, err := io.CopyN(w, zeros{}, size-n)
	return err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
