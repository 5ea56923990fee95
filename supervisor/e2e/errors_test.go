package e2e_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/e2e/harness"
	"github.com/lyandev/lyandev/supervisor/engine"
)

// Exit codes, as the README says.
const (
	codeFailed      = 1
	codeUsage       = 2
	codeNotReady    = 3
	codeNoEngine    = 4
	codeInterrupted = 130
)

// nothingLeft checks that an instance has no container, no network and no supervisor.
func nothingLeft(t *testing.T, i *harness.Instance) {
	t.Helper()
	eng, labels := i.Engine(), map[string]string{services.ProjectLabel: i.Name}
	if list, err := eng.ListContainers(t.Context(), labels); err != nil || len(list) > 0 {
		t.Errorf("containers are left: %v %v", list, err)
	}
	if list, err := eng.ListNetworks(t.Context(), labels); err != nil || len(list) > 0 {
		t.Errorf("networks are left: %v %v", list, err)
	}
	if i.Client().Alive(t.Context()) {
		t.Error("a supervisor is left")
	}
	for _, p := range supervisors(t, i.Name) {
		t.Errorf("process %d is left", p)
	}
}

// supervisors are the processes that look after an instance in the background.
func supervisors(t *testing.T, name string) (pids []int) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err == nil && strings.HasSuffix(string(b), "\x00supervise\x00"+name+"\x00") {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(f)))
			pids = append(pids, pid)
		}
	}
	return pids
}

const sleeper = `
x-lyandev: {semantics: kubernetes}
services:
  app:
    image: debian:trixie-slim
    command: [sleep, infinity]
    stop_grace_period: 0s
`

// TestErrors: what is wrong with a stack is said at once, with where and what to do, and leaves nothing behind.
func TestErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, file string
		args       []string
		code       int
		want       []string
	}{
		{"broken YAML", "x-lyandev: {semantics: kubernetes}\nservices:\n  app:\n    image: [x\n", nil, codeUsage, []string{"compose.yaml:", "yaml"}},
		{"no services", "name: x\n", nil, codeUsage, []string{"compose.yaml", "no service"}},
		{
			"unknown key", sleeper + "    x-lyandev: {kind: Pod, probs: {}}\n", nil, codeUsage,
			[]string{"compose.yaml:8", "probs", "probes"},
		},
		{"unknown kind", sleeper + "    x-lyandev: {kind: Deploymnt}\n", nil, codeUsage, []string{"compose.yaml:8", "Deployment"}},
		{"several at once", sleeper + "    x-lyandev: {kind: Nope, probs: {}}\n", nil, codeUsage, []string{"x-lyandev.kind", "x-lyandev.probs"}},
		{"unknown dependency", sleeper + "    depends_on: [nobody]\n", nil, codeUsage, []string{"nobody"}},
		{
			"missing image", strings.Replace(sleeper, "debian:trixie-slim", "lyandev-e2e/missing:1", 1), nil, codeFailed,
			[]string{"lyandev-e2e/missing:1", "container app of app", "docker load"},
		},
		{
			"cycle", "x-lyandev: {semantics: kubernetes}\nservices:\n  a: {image: debian:trixie-slim, depends_on: [b]}\n  b: {image: debian:trixie-slim, depends_on: [a]}\n", nil, codeUsage,
			[]string{"cycle", "a", "b"},
		},
		{
			"failing build", "x-lyandev: {semantics: kubernetes}\nservices:\n  app: {image: lyandev-e2e/never:1, build: {context: ., dockerfile_inline: \"FROM debian:trixie-slim\\nRUN echo the cause; exit 3\\n\"}}\n",
			nil, codeFailed,
			[]string{"app", "the cause"},
		},
		{"bad profile", sleeper, []string{"--profile", "nope"}, codeUsage, []string{"nope", "profile"}},
		{"unknown service", sleeper, []string{"nobody"}, codeUsage, []string{"nobody", "app"}},
		{"bad flag value", sleeper, []string{"--ports", "maybe"}, codeUsage, []string{"maybe", "fixed or auto"}},
		{"unknown flag", sleeper, []string{"--nope"}, codeUsage, []string{"nope", "--help"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := harness.New(t, c.file)
			r := i.Run(append([]string{"up", "-d", "--quiet"}, c.args...)...)
			if r.Code != c.code {
				t.Errorf("ends with %d, want %d", r.Code, c.code)
			}
			for _, w := range c.want {
				if !strings.Contains(r.Err, w) {
					t.Errorf("the error does not say %q", w)
				}
			}
			if r.Out != "" || t.Failed() {
				t.Errorf("standard output %q, standard error:\n%s", r.Out, r.Err)
			}
			nothingLeft(t, i)
		})
	}
}

// TestNoEngine: without an engine the message says how to get one, whatever the command.
func TestNoEngine(t *testing.T) {
	t.Parallel()
	i := harness.New(t, sleeper)
	dead := "unix://" + filepath.Join(t.TempDir(), "dead.sock")
	i.Setenv("DOCKER_HOST", dead)
	for _, args := range [][]string{{"up", "-d"}, {"up"}, {"exec", "app", "--", "true"}} {
		r := i.Run(args...)
		if r.Code != codeNoEngine || !strings.Contains(r.Err, dead) || !strings.Contains(r.Err, "start the engine") {
			t.Errorf("%v ends with %d: %s", args, r.Code, r.Err)
		}
	}
	if r := i.Run("version"); r.Code != 0 || !strings.Contains(r.Out, "no answer") {
		t.Errorf("version ends with %d: %s%s", r.Code, r.Out, r.Err)
	}
	i.Setenv("DOCKER_HOST", "")
	nothingLeft(t, i)
}

// TestUnknownNames: commands about what is not there say what is.
func TestUnknownNames(t *testing.T) {
	t.Parallel()
	i := harness.New(t, sleeper)
	if r := i.Run("restart", "app"); r.Code == 0 || !strings.Contains(r.Err, "lyandev up") {
		t.Errorf("restart without a supervisor ends with %d: %s", r.Code, r.Err)
	}
	i.Up("--wait")
	for _, c := range []struct {
		args []string
		code int
		want []string
	}{
		{[]string{"exec", "nobody", "--", "true"}, codeUsage, []string{"nobody", "app"}},
		{[]string{"exec", "-c", "nope", "app", "--", "true"}, codeFailed, []string{"nope"}},
		{[]string{"exec", "app"}, codeUsage, []string{"CMD"}},
		{[]string{"logs", "nobody"}, codeUsage, []string{"nobody", "app"}},
		{[]string{"restart", "nobody"}, codeUsage, []string{"nobody", "app"}},
		{[]string{"down", "nobody"}, codeUsage, []string{"nobody", "app"}},
		{[]string{"nosuchcommand"}, codeUsage, []string{"nosuchcommand"}},
		{[]string{"exec", "app", "--", "sh", "-c", "exit 7"}, 7, nil},
		{[]string{"exec", "app", "--", "nosuchcommand"}, 127, []string{"nosuchcommand", "container app of pod app-", "command not found in the image"}},
	} {
		r := i.Run(c.args...)
		if r.Code != c.code {
			t.Errorf("%v ends with %d, want %d: %s", c.args, r.Code, c.code, r.Err)
		}
		for _, w := range c.want {
			if !strings.Contains(r.Err, w) {
				t.Errorf("%v does not say %q: %s", c.args, w, r.Err)
			}
		}
	}
	if r := i.Run("up", "-d", "--quiet", "--profile", "nope"); r.Code != codeUsage {
		t.Errorf("a bad profile beside a running stack ends with %d: %s", r.Code, r.Err)
	}
	if s := i.Snapshot(); len(s.Pods) != 1 || !podReady(s.Pods[0]) {
		t.Error("a failed up touched what ran")
	}
}

// TestNeverReady: --wait gives up on a stack that cannot get ready, says why, and leaves it to be looked at.
func TestNeverReady(t *testing.T) {
	t.Parallel()
	i := harness.New(t, strings.Replace(sleeper, "[sleep, infinity]", `[sh, -c, "echo the last words; exit 9"]`, 1)+
		"    x-lyandev: {probes: {readiness: {exec: {command: [\"false\"]}}}}\n")
	r := i.Run("up", "--wait", "--quiet", "--timeout", "60s")
	if r.Code != codeNotReady || !strings.Contains(r.Err, "exits with 9") || !strings.Contains(r.Err, "lyandev logs") {
		t.Errorf("a stack that crashes ends with %d: %s", r.Code, r.Err)
	}
	if out := i.Must("logs", "app"); !strings.Contains(out, "the last words") {
		t.Errorf("logs: %s", out)
	}
	i.Must("down", "--quiet")
	nothingLeft(t, i)
	i.Write("compose.yaml", sleeper+"    x-lyandev: {probes: {readiness: {exec: {command: [\"false\"]}, periodSeconds: 1}}}\n")
	r = i.Run("up", "--wait", "--quiet", "--timeout", "2s")
	if r.Code != codeNotReady || !strings.Contains(r.Err, "2s") || !strings.Contains(r.Err, "lyandev ps") {
		t.Errorf("a stack that is not ready in time ends with %d: %s", r.Code, r.Err)
	}
}

// TestForeground: up in the foreground serves until Ctrl-C, which stops the stack, keeps its containers and exits with 130; a second
// one hurries.
func TestForeground(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		signals int
	}{{"Ctrl-C", 1}, {"Ctrl-C twice", 2}} {
		t.Run(c.name, func(t *testing.T) {
			// The app does not heed SIGTERM, so its grace period passes, unless one hurries.
			grace := map[int]string{1: "1s", 2: "60s"}[c.signals]
			i := harness.New(t, strings.Replace(sleeper, "stop_grace_period: 0s", "stop_grace_period: "+grace, 1)+"    volumes: [kept:/data]\nvolumes: {kept: {}}\n")
			var out strings.Builder
			cmd := i.Command(t.Context(), "up")
			cmd.Stderr = &out // read when it has ended
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			i.Eventually(20*time.Second, "a supervisor answers", func() bool { return i.Client().Alive(t.Context()) })
			i.Ready(20 * time.Second)
			began := time.Now()
			for n := range c.signals {
				if n > 0 {
					i.Until(10*time.Second, "the stack stops", func(s *state) bool { return s.Phase == "stopping" })
				}
				if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
					t.Fatal(err)
				}
			}
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != codeInterrupted {
				t.Errorf("up ended with %d:\n%s", code, out.String())
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it took %s", took)
			}
			if i.Client().Alive(t.Context()) {
				t.Error("the supervisor is left")
			}
			for _, c := range containers(t, i) {
				if c.State != engine.StateExited || c.Labels[services.WorkloadLabel] == "" {
					t.Errorf("container %s is %s", c.Name, c.State)
				}
			}
			i.Must("down", "--quiet")
			nothingLeft(t, i)
			if vols, err := i.Engine().ListVolumes(context.Background(), map[string]string{services.ProjectLabel: i.Name}); err != nil || len(vols) != 1 {
				t.Errorf("volumes: %v %v", vols, err)
			}
		})
	}
}

// TestPortsOfTwo: the second of two stacks that want one port fails, and the first goes on.
func TestPortsOfTwo(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	file := sleeper + fmt.Sprintf("    ports: [\"%d:80\"]\n", port)
	pairs.Lock()
	a, b := harness.New(t, file), harness.New(t, file)
	pairs.Unlock()
	a.Up("--wait", "--ports", "fixed")
	r := b.Run("up", "-d", "--quiet", "--ports", "fixed")
	if r.Code != codeFailed || !strings.Contains(r.Err, fmt.Sprint(port)) || !strings.Contains(r.Err, a.Name) {
		t.Errorf("the second ends with %d and does not name %s: %s", r.Code, a.Name, r.Err)
	}
	nothingLeft(t, b)
}
