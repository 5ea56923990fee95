// Package stacktest gives Go tests a running copy of a stack, in the manner of net/http/httptest:
//
//	func TestComments(t *testing.T) {
//		t.Parallel()
//		stack := stacktest.Start(t, "lyanna.dev.yaml", stacktest.Profile("ha"))
//		db, err := sql.Open("mysql", stack.DSN())
//		...
//		stack.Kill("redis-master")
//		stack.WaitReady()
//	}
//
// Start returns when everything is right. The copy has a network, names, volumes and free host ports of its own, and is
// removed when the test ends; if the test process is killed, testcontainers' reaper removes it. Tests may be parallel.
// When a test has failed, the stack's logs and events are attached to it, and a bundle of all that is known is written.
package stacktest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lyandev/lyandev/profiles"
	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/catalogue"
	"github.com/lyandev/lyandev/supervisor/stacktest/throwaway"
	"github.com/lyandev/lyandev/supervisor/state"
)

// Option changes how Start starts a stack.
type Option func(*options)

type options struct {
	profile string
	env     []string
	timeout time.Duration
	change  []func(*services.Stack)
	noReset bool
	from    throwaway.Snapshot
}

// Profile chooses a profile; the default is the file's.
func Profile(name string) Option { return func(o *options) { o.profile = name } }

// Env sets variables for the file's ${NAME}, as NAME=value, over those of this process.
func Env(vars ...string) Option { return func(o *options) { o.env = append(o.env, vars...) } }

// Timeout bounds the wait for readiness, in Start and in WaitReady. The default is 5 minutes.
func Timeout(d time.Duration) Option { return func(o *options) { o.timeout = d } }

// Change lets the test change the loaded stack before it starts.
func Change(f func(*services.Stack)) Option {
	return func(o *options) { o.change = append(o.change, f) }
}

// Snapshot begins with the volumes of a snapshot of an instance, instead of empty ones.
func Snapshot(project, name string) Option {
	return func(o *options) { o.from = throwaway.Snapshot{Project: project, Name: name} }
}

// WithoutReset leaves out what Reset needs, which Start otherwise notes once the stack is ready.
func WithoutReset() Option { return func(o *options) { o.noReset = true } }

// Stack is a running copy. Its methods fail the test when they cannot do what they are for; they may be called by the
// test's own goroutine only, as t.Fatal may.
type Stack struct {
	t       testing.TB
	c       *throwaway.Copy
	timeout time.Duration
}

// Start starts the stack of a Compose file or of manifests, waits until it is ready, and fails the test if it does not get
// there. A relative file is looked for in the test's directory and above.
func Start(t testing.TB, file string, opts ...Option) *Stack {
	t.Helper()
	o := options{timeout: 5 * time.Minute}
	for _, f := range opts {
		f(&o)
	}
	stack, err := load(t.Context(), file, o)
	if err != nil {
		t.Fatal(err)
	}
	shared, err := connect()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), o.timeout)
	defer cancel()
	c, err := throwaway.Start(ctx, throwaway.Config{
		Stack: stack, Engine: shared.engine, Images: shared.images, Operator: catalogue.New, Version: "test", Binary: shared.binary,
		From: o.from,
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &Stack{t: t, c: c, timeout: o.timeout}
	t.Cleanup(s.end)
	if err := c.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	if !o.noReset {
		if err := c.Remember(ctx); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func load(ctx context.Context, file string, o options) (*services.Stack, error) {
	path, err := find(file)
	if err != nil {
		return nil, err
	}
	stack, err := profiles.Load(ctx, profiles.Options{Files: []string{path}, Profile: o.profile, Env: append(os.Environ(), o.env...)})
	if err != nil {
		return nil, err
	}
	for _, f := range o.change {
		f(stack)
	}
	return stack, nil
}

// find looks for a relative file here and in the directories above.
func find(file string) (string, error) {
	if filepath.IsAbs(file) {
		return file, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("cannot find %s: %w", file, err)
	}
	for from := dir; ; from = filepath.Dir(from) {
		path := filepath.Join(from, file)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
		if from == filepath.Dir(from) {
			return "", fmt.Errorf("cannot find %s in %s or above", file, dir)
		}
	}
}

// end attaches what is known to a failed test, and removes the copy.
func (s *Stack) end() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.t.Context()), 2*time.Minute)
	defer cancel()
	if s.t.Failed() {
		s.attach(ctx)
	}
	if err := s.c.Close(ctx); err != nil {
		s.t.Errorf("cannot remove the stack: %v", err)
	}
}

// attach puts the last lines of every log into the test's output, and everything into a bundle.
func (s *Stack) attach(ctx context.Context) {
	dir := filepath.Join(os.TempDir(), "lyandev-failure-"+s.c.Name())
	if err := s.c.Bundle(ctx, dir); err != nil {
		s.t.Logf("cannot write all of the bundle: %v", err)
	}
	s.t.Logf("logs, events and all that is known of the stack: %s", dir)
	logs, _ := filepath.Glob(filepath.Join(dir, "logs", "*.log"))
	for _, path := range logs {
		if text, err := os.ReadFile(path); err == nil && len(text) > 0 {
			s.t.Logf("%s:\n%s", filepath.Base(path), lastLines(text, attachedLines))
		}
	}
}

// attachedLines is how much of each log a failed test shows.
const attachedLines = 20

func lastLines(text []byte, n int) []byte {
	end := len(text)
	for i := end - 2; i >= 0; i-- {
		if text[i] == '\n' {
			if n--; n == 0 {
				return text[i+1:]
			}
		}
	}
	return text
}

// State is the latest snapshot of what is known.
func (s *Stack) State() *state.Snapshot { return s.c.State() }

// Copy is what is behind the Stack, for what has no method here.
func (s *Stack) Copy() *throwaway.Copy { return s.c }

// Name is the project label of every object of the copy.
func (s *Stack) Name() string { return s.c.Name() }
