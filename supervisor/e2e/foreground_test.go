package e2e_test

import (
	"bytes"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lyandev/lyandev/supervisor/e2e/harness"
)

// written collects what a command writes.
type written struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (w *written) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *written) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

// inForeground runs `up` until end is called, which sends Ctrl-C and checks the exit code.
func inForeground(t *testing.T, i *harness.Instance) (out *written, end func()) {
	t.Helper()
	out = new(written)
	cmd := i.Command(t.Context(), "up")
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	i.Eventually(20*time.Second, "a supervisor answers", func() bool { return i.Client().Alive(t.Context()) })
	return out, func() {
		t.Helper()
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != codeInterrupted {
			t.Errorf("up ended with %d:\n%s", code, out)
		}
	}
}

// TestForegroundLogs: up in the foreground prints what containers write from their first line on, before the stack is ready, and
// what one-shots wrote that have ended; with attach: false it does not.
func TestForegroundLogs(t *testing.T) {
	t.Parallel()
	i := harness.New(t, `
services:
  seed: {image: "debian:trixie-slim", command: [sh, -c, "echo seeded with $$DB_PASSWORD"], environment: {DB_PASSWORD: xY7-distinctive}}
  quiet: {image: "debian:trixie-slim", init: true, command: [sh, -c, "echo secretly; sleep infinity"], attach: false}
  web:
    image: debian:trixie-slim
    init: true
    command: [sh, -c, "echo first line; sleep infinity"]
    depends_on: {seed: {condition: service_completed_successfully}}
    healthcheck: {test: [CMD, test, -e, /go], interval: 1s, retries: 1000}
`)
	out, end := inForeground(t, i)
	for _, line := range []string{"seed-1 | seeded with ***", "web-1", "| first line"} {
		i.Eventually(20*time.Second, line+" is printed", func() bool { return strings.Contains(out.String(), line) })
	}
	if s := i.Snapshot(); s.Phase == "ready" || strings.Contains(out.String(), "is ready") {
		t.Errorf("the stack was ready before the lines came:\n%s", out)
	}
	i.Must("exec", "web", "touch", "/go")
	i.Ready(20 * time.Second)
	i.Eventually(10*time.Second, "up says that the stack is ready", func() bool { return strings.Contains(out.String(), "is ready after") })
	end()
	text := out.String()
	if strings.Contains(text, "secretly") || strings.Contains(text, "xY7") || strings.Count(text, "first line") != 1 {
		t.Error(text)
	}
}
