package e2e_test

import (
	"bytes"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/e2e/harness"
	"github.com/lyandev/lyandev/supervisor/engine"
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

// TestForegroundKeepsContainers: Ctrl-C stops the containers of plain services in order and keeps them, with their networks and
// what was written into them; pods of Kubernetes' semantics and the agent go. The next up starts the same containers, in order;
// down removes everything.
func TestForegroundKeepsContainers(t *testing.T) {
	t.Parallel()
	i := harness.New(t, `
services:
  db:
    image: debian:trixie-slim
    init: true
    command: [sh, -c, "echo db up; sleep infinity"]
    healthcheck: {test: [CMD, "true"], interval: 1s}
    networks: [back]
  seed: {image: "debian:trixie-slim", command: ["true"], networks: [back]}
  web:
    image: debian:trixie-slim
    init: true
    command: [sh, -c, "echo web up; sleep infinity"]
    depends_on: {db: {condition: service_healthy}}
    networks: [back]
  kube: {image: "debian:trixie-slim", init: true, command: [sleep, infinity], networks: [back], x-lyandev: {semantics: kubernetes}}
networks: {back: {}}
`)
	out, end := inForeground(t, i)
	i.Ready(30 * time.Second)
	before := containers(t, i)
	if len(before) != 5 {
		t.Fatalf("containers: %v", before)
	}
	i.Must("exec", "web", "touch", "/written")
	end()
	kept := containers(t, i)
	for _, name := range []string{"db", "seed", "web"} {
		name = i.Name + "-" + name + "-1"
		if kept[name].ID != before[name].ID || kept[name].State != engine.StateExited {
			t.Errorf("%s: %+v\n%s", name, kept[name], out)
		}
	}
	if len(kept) != 3 || kept[i.Name+"-web-1"].Exited.After(kept[i.Name+"-db-1"].Exited) {
		t.Errorf("after Ctrl-C: %+v", kept)
	}
	if _, err := i.Engine().InspectNetwork(t.Context(), i.Name+"_back"); err != nil {
		t.Error(err)
	}
	if ps := i.Must("ps", "-a"); strings.Count(ps, "Stopped") != 2 {
		t.Errorf("ps:\n%s", ps)
	}
	if logs := i.Must("logs", "web"); !strings.Contains(logs, "web up") {
		t.Errorf("logs: %s", logs)
	}

	i.Up("--wait")
	again := containers(t, i)
	for name := range kept {
		if again[name].ID != before[name].ID {
			t.Errorf("%s is another container", name)
		}
	}
	if !again[i.Name+"-seed-1"].Started.Equal(before[i.Name+"-seed-1"].Started) {
		t.Error("the one-shot ran again")
	}
	if !again[i.Name+"-web-1"].Started.After(again[i.Name+"-db-1"].Started.Add(500 * time.Millisecond)) {
		t.Error("web did not wait for db")
	}
	i.Must("exec", "web", "ls", "/written")
	i.Must("down", "--quiet")
	nothingLeft(t, i)
}

// containers are the instance's containers, by name.
func containers(t *testing.T, i *harness.Instance) map[string]engine.Container {
	t.Helper()
	list, err := i.Engine().ListContainers(t.Context(), map[string]string{services.ProjectLabel: i.Name})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]engine.Container{}
	for _, c := range list {
		out[c.Name] = c
	}
	return out
}

// TestStartAfterCtrlC: start, restart and rm go on with the containers that Ctrl-C on up has kept, and stop has nothing to do. They
// refused: no supervisor ran.
func TestStartAfterCtrlC(t *testing.T) {
	t.Parallel()
	i := harness.New(t, `
services:
  db: {image: "debian:trixie-slim", init: true, command: [sleep, infinity]}
  web: {image: "debian:trixie-slim", init: true, command: [sleep, infinity], depends_on: [db]}
  other: {image: "debian:trixie-slim", init: true, command: [sleep, infinity]}
`)
	_, end := inForeground(t, i)
	i.Ready(30 * time.Second)
	before := containers(t, i)
	end()
	if text := i.Must("stop"); strings.Contains(text, "started the supervisor") {
		t.Errorf("stop: %s", text)
	}
	i.Must("start", "web")
	again := containers(t, i)
	for name, want := range map[string]string{"db": engine.StateRunning, "web": engine.StateRunning, "other": engine.StateExited} {
		name = i.Name + "-" + name + "-1"
		if c := again[name]; c.State != want || c.ID != before[name].ID {
			t.Errorf("%s is %s (%.6s), want %s (%.6s)", name, c.State, c.ID, want, before[name].ID)
		}
	}
	i.Must("restart", "other")
	if c := containers(t, i)[i.Name+"-other-1"]; c.State != engine.StateRunning || c.ID != before[c.Name].ID {
		t.Errorf("other: %+v", c)
	}
	i.Must("down", "--quiet")
	nothingLeft(t, i)
}

// TestCreate: create makes the containers, also of services that wait for others, and no process; files can be copied into them; start
// starts what a service needs, up the rest, and nothing is made anew. create was refused.
func TestCreate(t *testing.T) {
	t.Parallel()
	i := harness.New(t, `
services:
  db: {image: "debian:trixie-slim", init: true, command: [sleep, infinity], healthcheck: {test: [CMD, "true"], interval: 1s}}
  web: {image: "debian:trixie-slim", init: true, command: [sleep, infinity], depends_on: {db: {condition: service_healthy}}}
  other: {image: "debian:trixie-slim", init: true, command: [sleep, infinity]}
  kube: {image: "debian:trixie-slim", init: true, command: [sleep, infinity], x-lyandev: {semantics: kubernetes}}
`)
	states := func(what string, want map[string]string) map[string]engine.Container {
		t.Helper()
		all := containers(t, i)
		for name, state := range want {
			if c := all[i.Name+"-"+name+"-1"]; c.State != state {
				t.Errorf("%s: %s is %q, want %q", what, name, c.State, state)
			}
		}
		return all
	}
	i.Must("create")
	made := states("create", map[string]string{"db": engine.StateCreated, "web": engine.StateCreated, "other": engine.StateCreated})
	if len(made) != 3 {
		t.Errorf("create has made %v", made)
	}
	i.Write("file", "content")
	i.Must("cp", "file", "other:/copied")
	i.Must("start", "web")
	states("start web", map[string]string{"db": engine.StateRunning, "web": engine.StateRunning, "other": engine.StateCreated})
	i.Up("--wait")
	now := states("up", map[string]string{"db": engine.StateRunning, "web": engine.StateRunning, "other": engine.StateRunning})
	for name, c := range made {
		if now[name].ID != c.ID {
			t.Errorf("%s is another container", name)
		}
	}
	if got := i.Must("exec", "other", "cat", "/copied"); got != "content" {
		t.Errorf("the file has %q", got)
	}
	i.Must("ps", "kube")
	i.Must("down", "--quiet")
	nothingLeft(t, i)
}
