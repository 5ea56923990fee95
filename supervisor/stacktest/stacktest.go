// Package stacktest starts a copy of a stack for a Go test, as net/http/httptest starts a server:
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
// Start blocks until the whole stack is ready. The copy has its own network, names, volumes and free host ports, and is removed
// when the test ends; if the test process is killed, testcontainers' reaper removes it. Tests may run in parallel. If a test
// fails, the stack's logs and events are added to its output, and a bundle with all diagnostics is written.
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

// Option is an option of Start.
type Option func(*options)

type options struct {
	profile string
	env     []string
	timeout time.Duration
	change  []func(*services.Stack)
	noReset bool
	from    throwaway.Snapshot
}

// Profile selects a profile. The default is the file's default profile.
func Profile(name string) Option { return func(o *options) { o.profile = name } }

// Env sets variables (NAME=value) for ${NAME} in the file. They override the process's environment.
func Env(vars ...string) Option { return func(o *options) { o.env = append(o.env, vars...) } }

// Timeout bounds the wait for readiness, in Start and in WaitReady. The default is 5 minutes.
func Timeout(d time.Duration) Option { return func(o *options) { o.timeout = d } }

// Change calls f with the loaded stack before it is started; f may change it.
func Change(f func(*services.Stack)) Option {
	return func(o *options) { o.change = append(o.change, f) }
}

// Snapshot starts with the volumes of an instance's snapshot instead of empty ones.
func Snapshot(project, name string) Option {
	return func(o *options) { o.from = throwaway.Snapshot{Project: project, Name: name} }
}

// WithoutReset turns off Reset: Start then does not record the content of the databases.
func WithoutReset() Option { return func(o *options) { o.noReset = true } }

// Stack is a running copy of a stack. Its methods call t.Fatal on errors, so they must be called from the test's goroutine.
type Stack struct {
	t       testing.TB
	c       *throwaway.Copy
	timeout time.Duration
	// reconnect has what undoes Disconnect, per container.
	reconnect map[string]func(context.Context) error
}

// Start starts the stack of a Compose file or of manifests, and blocks until it is ready. It fails the test if the stack does not
// become ready within Timeout. A relative file is searched in the test's directory and its parents.
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
	s := &Stack{t: t, c: c, timeout: o.timeout, reconnect: map[string]func(context.Context) error{}}
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
	stack, err := profiles.Load(ctx, profiles.Options{Files: []string{path}, Profiles: []string{o.profile}, Env: append(os.Environ(), o.env...)})
	if err != nil {
		return nil, err
	}
	for _, f := range o.change {
		f(stack)
	}
	return stack, nil
}

// find searches a relative file in the working directory and its parents.
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

// end adds diagnostics to a failed test, and removes the copy.
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

// attach adds the last lines of every log to the test's output, and writes the bundle.
func (s *Stack) attach(ctx context.Context) {
	dir := filepath.Join(os.TempDir(), "lyandev-failure-"+s.c.Name())
	if err := s.c.Bundle(ctx, dir); err != nil {
		s.t.Logf("cannot write all of the bundle: %v", err)
	}
	s.t.Logf("diagnostics of the stack (logs, events, state): %s", dir)
	logs, _ := filepath.Glob(filepath.Join(dir, "logs", "*.log"))
	for _, path := range logs {
		if text, err := os.ReadFile(path); err == nil && len(text) > 0 {
			s.t.Logf("%s:\n%s", filepath.Base(path), lastLines(text, attachedLines))
		}
	}
}

// attachedLines is the number of lines of each log in the output of a failed test.
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

// State returns the latest observed state.
func (s *Stack) State() *state.Status { return s.c.State() }

// Copy returns the underlying throwaway.Copy, for operations without a method here.
func (s *Stack) Copy() *throwaway.Copy { return s.c }

// Name returns the copy's name: the project label of all its objects.
func (s *Stack) Name() string { return s.c.Name() }
