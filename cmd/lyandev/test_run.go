package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/provider"
	"github.com/lyandev/lyandev/supervisor/stacktest/throwaway"
	"github.com/lyandev/lyandev/supervisor/ui"
	"github.com/lyandev/lyandev/supervisor/ui/screen"
)

// testRun runs the tests of one profile on one copy of the stack.
type testRun struct {
	o      testOptions
	stack  *services.Stack
	config throwaway.Config
	cases  []testCase
	log    *slog.Logger
	// again counts the runs of the same profile before this one.
	again int
	// prefix puts the profile's name before each line.
	prefix bool

	// The outcome.
	name    string
	ready   time.Duration
	took    time.Duration
	results []testResult
	err     error // why tests did not run or the copy could not be removed
	bundle  string
	kept    bool
	// prepared is the snapshot of an earlier run that the volumes were filled from, "" if none.
	prepared string
}

// testResult is the result of one command. If err is set, there is no exit code.
type testResult struct {
	testCase
	code int
	err  error
	took time.Duration
	tail string
}

func (r *testRun) profile() string {
	name := r.stack.Profile
	if name == "" {
		name = "default"
	}
	if r.again > 0 {
		name += fmt.Sprintf("#%d", r.again+1)
	}
	return name
}

// failed reports whether the run's exit code is not 0.
func (r *testRun) failed() bool { return r.exitCode() != exitOK }

// exitCode returns the exit code of the first failed command, else exitNotReady or exitFailed if the tests did not run.
func (r *testRun) exitCode() int {
	for _, t := range r.results {
		if t.code != 0 {
			return t.code
		}
	}
	switch {
	case r.err == nil:
		return exitOK
	case errors.Is(r.err, throwaway.ErrNotReady):
		return exitNotReady
	}
	return exitFailed
}

// say prints one line about the run.
func (r *testRun) say(format string, args ...any) {
	if !r.o.quiet {
		fmt.Fprintf(r.o.st.Err, "%s %s\n", r.o.st.Paint(ui.Cyan, r.profile()+":"), fmt.Sprintf(format, args...))
	}
}

// run starts the copy, runs the commands, removes the copy and stores the outcome in r. It blocks until then.
func (r *testRun) run(ctx context.Context) {
	began := time.Now()
	defer func() { r.took = time.Since(began) }()
	limited, cancel := context.WithTimeoutCause(ctx, r.o.timeout, fmt.Errorf("timed out after %s", r.o.timeout))
	defer cancel()
	r.name = throwaway.NewName(r.stack.Name)
	r.config.Name = r.name
	r.say("starting %s", r.name)
	end, err := r.provide(limited)
	defer func() { end(ctx) }()
	if err != nil {
		r.err = err
		return
	}
	c, err := throwaway.Start(limited, r.config)
	if err != nil {
		r.err = err
		return
	}
	r.prepared = c.FromPrepared()
	if r.err = r.waitReady(limited, c); r.err == nil {
		r.ready = time.Since(began)
		r.sayReady()
		r.prepare(limited, c)
		for _, t := range r.cases {
			res := r.runCase(limited, c, t)
			r.results = append(r.results, res)
			if r.err = res.err; r.err != nil {
				break
			}
		}
	}
	r.takeDown(ctx, c)
}

// provide runs the programs that provide services and models, under the copy's name, and gives the copy a stack with the environment that
// they set. end, which is never nil, removes what the providers made, unless the copy is kept.
func (r *testRun) provide(ctx context.Context) (end func(context.Context), err error) {
	if len(r.stack.Providers)+len(r.stack.Models) == 0 {
		return func(context.Context) {}, nil
	}
	p := &provider.Runner{
		Project: r.name, Dir: r.stack.Dir, Env: os.Environ(), Info: func(service, line string) { r.say("%s: %s", service, line) },
	}
	r.config.Stack = r.stack.DeepCopy()
	end = func(ctx context.Context) {
		if r.kept {
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
		defer cancel()
		if downErr := p.Down(ctx, r.stack.Providers); downErr != nil && err == nil { // after a failed up not all are there
			r.err = errors.Join(r.err, fmt.Errorf("cannot remove what the providers made for the copy %s: %w", r.name, downErr))
		}
	}
	err = p.Up(ctx, r.config.Stack, nil)
	return end, err
}

func (r *testRun) sayReady() {
	text := "ready after " + r.ready.Round(100*time.Millisecond).String()
	if from := r.volumesText(); from != "" {
		text += ", " + from
	}
	r.say("%s", text)
}

// prepare saves the volumes for later runs if the policy says so. A failure is only logged.
func (r *testRun) prepare(ctx context.Context, c *throwaway.Copy) {
	began := time.Now()
	name, err := c.Prepare(ctx)
	if err != nil {
		r.log.Warn(err.Error(), "profile", r.profile())
	}
	if name != "" {
		r.say("prepared volumes for later runs in %s: %s", round(time.Since(began)), name)
	}
}

func (r *testRun) waitReady(ctx context.Context, c *throwaway.Copy) error {
	if r.prefix || r.o.quiet {
		return c.WaitReady(ctx)
	}
	p := screen.New(r.o.st, screen.Options{Quiet: r.o.quiet})
	defer p.Close()
	show, cancel := context.WithCancel(ctx)
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		for s := range c.Subscribe(show) {
			p.Show(s)
		}
	}()
	err := c.WaitReady(ctx)
	cancel()
	<-shown
	return err
}

func (r *testRun) runCase(ctx context.Context, c *throwaway.Copy, t testCase) testResult {
	where, run := "in a pod of "+t.workload, c.RunInStack
	if t.command.Host {
		where, run = "on this host", c.RunOnHost
	}
	r.say("running %s %s", strings.Join(t.command.Command, " "), where)
	began := time.Now()
	tail := &tailWriter{}
	stdout, stderr := r.output(r.o.st.RawOut()), r.output(r.o.st.RawErr())
	res := testResult{testCase: t}
	res.code, res.err = run(ctx, t.workload, t.command, io.MultiWriter(stdout, tail), io.MultiWriter(stderr, tail))
	stdout.flush()
	stderr.flush()
	res.took, res.tail = time.Since(began), tail.String()
	switch {
	case res.err != nil:
		r.say("%s", r.o.st.Paint(ui.Red, res.err.Error()))
	case res.code != 0:
		r.say("%s after %s", r.o.st.Paint(ui.Red, fmt.Sprintf("failed with exit code %d", res.code)), res.took.Round(100*time.Millisecond))
	default:
		r.say("%s after %s", r.o.st.Paint(ui.Green, "passed"), res.took.Round(100*time.Millisecond))
	}
	return res
}

// takeDown writes the bundle of a failed run and removes the copy, or leaves it running with --keep-on-failure.
func (r *testRun) takeDown(ctx context.Context, c *throwaway.Copy) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer cancel()
	if r.failed() {
		r.err = errors.Join(r.err, r.writeBundle(ctx, c))
	}
	var err error
	if r.failed() && r.o.keep {
		r.kept = true
		err = c.Abandon()
	} else {
		err = c.Close(ctx)
	}
	if err != nil {
		r.err = errors.Join(r.err, fmt.Errorf("cannot remove the copy %s: %w", r.name, err))
	}
}

func (r *testRun) writeBundle(ctx context.Context, c *throwaway.Copy) error {
	parent := r.o.bundles
	if parent == "" {
		parent = os.TempDir()
	}
	dir, err := filepath.Abs(filepath.Join(parent, "lyandev-failure-"+r.name))
	if err != nil {
		return fmt.Errorf("cannot choose a directory for the bundle: %w", err)
	}
	r.bundle = dir
	return c.Bundle(ctx, dir)
}

// output returns the writer for a command's output. With prefix set it prefixes each line with the profile's name.
func (r *testRun) output(to io.Writer) *lineWriter {
	w := &lineWriter{to: to}
	if r.prefix {
		w.prefix = r.o.st.Paint(ui.Cyan, fmt.Sprintf("%-10s| ", r.profile()))
	}
	return w
}

// lineWriter passes text on. With a prefix it writes whole lines only.
type lineWriter struct {
	to     io.Writer
	prefix string
	held   []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	if w.prefix == "" {
		return w.to.Write(p)
	}
	w.held = append(w.held, p...)
	for {
		line, rest, ok := bytes.Cut(w.held, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		if _, err := fmt.Fprintf(w.to, "%s%s\n", w.prefix, line); err != nil {
			return 0, err
		}
		w.held = append(w.held[:0], rest...)
	}
}

func (w *lineWriter) flush() {
	if len(w.held) > 0 {
		fmt.Fprintf(w.to, "%s%s\n", w.prefix, w.held)
		w.held = nil
	}
}

// maxTail is how many bytes of a command's output a report keeps.
const maxTail = 64 << 10

// tailWriter keeps the last maxTail bytes written. It is safe for concurrent use.
type tailWriter struct {
	mu   sync.Mutex
	text []byte
}

func (w *tailWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, p...)
	if over := len(w.text) - maxTail; over > maxTail {
		w.text = append(w.text[:0], w.text[over:]...)
	}
	return len(p), nil
}

func (w *tailWriter) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.text[max(0, len(w.text)-maxTail):])
}
