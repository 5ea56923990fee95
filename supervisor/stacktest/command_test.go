package stacktest_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/e2e/harness"
	"github.com/lyandev/lyandev/supervisor/engine"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// project writes a stack with a volume and a test command.
func project(t *testing.T, command string) string {
	t.Helper()
	dir := t.TempDir()
	text := `
name: cmdtest
x-lyandev: {semantics: kubernetes}
services:
  web:
    image: debian:trixie-slim
    command: [sh, -c, 'touch /tmp/ready; echo PASSWORD=hunter22-is-secret; exec sleep 600']
    init: true
    stop_grace_period: 0s
    environment: {API_TOKEN: hunter22-is-secret, WHO: you}
    volumes: [data:/data]
    expose: ["80"]
    ports: ["127.0.0.1:8000:80"]
    x-lyandev:
      probes:
        readiness: {exec: {command: [test, -e, /tmp/ready]}, periodSeconds: 1}
      test: [sh, -c, '` + command + `']
volumes: {data: {}}
`
	if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// lyandevTest is `lyandev test` in a directory, with a reaper that does not wait long.
func lyandevTest(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	home := t.TempDir()
	cmd := exec.Command(harness.Binary(t), append([]string{"test", "--prepared", "never"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+home, "TMPDIR="+t.TempDir(), "RYUK_RECONNECTION_TIMEOUT=1s", "NO_COLOR=1")
	return cmd
}

func exitOf(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

var started = regexp.MustCompile(`starting (\S+)`)

// remains counts what carries the name that a run chose.
func remains(t *testing.T, output string) int {
	t.Helper()
	m := started.FindStringSubmatch(output)
	if m == nil {
		t.Fatalf("the run does not say its name:\n%s", output)
	}
	eng, err := engine.NewDocker(false)
	if err != nil {
		t.Fatal(err)
	}
	defer eng.Close()
	labels := map[string]string{services.ProjectLabel: m[1]}
	containers, err1 := eng.ListContainers(t.Context(), labels)
	networks, err2 := eng.ListNetworks(t.Context(), labels)
	volumes, err3 := eng.ListVolumes(t.Context(), labels)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	return len(containers) + len(networks) + len(volumes)
}

func TestCommandPasses(t *testing.T) {
	t.Parallel()
	var out, errOut bytes.Buffer
	cmd := lyandevTest(t, project(t, "echo hello $$WHO; test -d /data"))
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if code := exitOf(t, cmd); code != 0 || out.String() != "hello you\n" || !strings.Contains(errOut.String(), "passed") {
		t.Errorf("exit code %d, stdout %q, stderr:\n%s", code, out.String(), errOut.String())
	}
	if n := remains(t, errOut.String()); n != 0 {
		t.Errorf("%d objects are left", n)
	}
}

// TestCommandOfAPlainService runs in a container as Docker Compose would make it, which nobody takes for the service.
func TestCommandOfAPlainService(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := `
name: cmdtest
services:
  Web_App:
    image: debian:trixie-slim
    container_name: cmdtest-the-web-app
    command: [sh, -c, 'echo served >/data/file; exec sleep 600']
    init: true
    stop_grace_period: 0s
    environment: {WHO: you, CHANGED: old}
    volumes: [data:/data]
    ulimits: {nofile: 4321}
    restart: always
    healthcheck: {test: [CMD, test, -e, /data/file], interval: 1s, start_period: 10s}
    x-lyandev:
      test:
        command: [sh, -c, 'echo hello $$WHO $$CHANGED $$(ulimit -n) $$(cat /data/file); for n in Web_App cmdtest-the-web-app; do getent hosts $$n >/dev/null && echo $$n; done']
        env: {CHANGED: new}
  once:
    image: debian:trixie-slim
    command: ["true"]
volumes: {data: {}}
`
	if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	var out, errOut bytes.Buffer
	cmd := lyandevTest(t, dir)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if code := exitOf(t, cmd); code != 0 || out.String() != "hello you new 4321 served\nWeb_App\ncmdtest-the-web-app\n" {
		t.Errorf("exit code %d, stdout %q, stderr:\n%s", code, out.String(), errOut.String())
	}
	if n := remains(t, errOut.String()); n != 0 {
		t.Errorf("%d objects are left", n)
	}
}

func TestCommandFails(t *testing.T) {
	t.Parallel()
	junit := filepath.Join(t.TempDir(), "junit.xml")
	bundles := t.TempDir()
	var errOut bytes.Buffer
	cmd := lyandevTest(t, project(t, "echo broken; exit 5"), "--junit", junit, "--bundle-dir", bundles)
	cmd.Stderr = &errOut
	if code := exitOf(t, cmd); code != 5 {
		t.Errorf("exit code %d:\n%s", code, errOut.String())
	}
	if n := remains(t, errOut.String()); n != 0 {
		t.Errorf("%d objects are left", n)
	}
	report, err := os.ReadFile(junit)
	if err != nil || !strings.Contains(string(report), `message="exit code 5"`) || !strings.Contains(string(report), "broken") {
		t.Errorf("the report is %s, %v", report, err)
	}
	dirs, _ := filepath.Glob(filepath.Join(bundles, "*"))
	if len(dirs) != 1 || !strings.Contains(errOut.String(), dirs[0]) {
		t.Fatalf("bundles are %v:\n%s", dirs, errOut.String())
	}
	logs, _ := filepath.Glob(filepath.Join(dirs[0], "logs", "web-*.log"))
	if len(logs) != 2 {
		t.Errorf("logs are %v; want that of web and that of the test", logs)
	}
	err = filepath.WalkDir(dirs[0], func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte("hunter22")) {
			t.Errorf("%s has a secret", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestCommandFromTheLineOnTheHost(t *testing.T) {
	t.Parallel()
	var out, errOut bytes.Buffer
	cmd := lyandevTest(t, project(t, "exit 1"), "--host", "--", "sh", "-c", "echo $WHO; exit 6")
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if code := exitOf(t, cmd); code != 6 || out.String() != "you\n" {
		t.Errorf("exit code %d, stdout %q, stderr:\n%s", code, out.String(), errOut.String())
	}
}

func TestCommandKeepsAFailure(t *testing.T) {
	t.Parallel()
	var errOut bytes.Buffer
	dir := project(t, "exit 1")
	cmd := lyandevTest(t, dir, "--keep-on-failure")
	cmd.Stderr = &errOut
	if code := exitOf(t, cmd); code != 1 {
		t.Errorf("exit code %d:\n%s", code, errOut.String())
	}
	if n := remains(t, errOut.String()); n < 4 {
		t.Errorf("%d objects are left; want agent, web, network and volume", n)
	}
	down := exec.Command(harness.Binary(t), "-p", started.FindStringSubmatch(errOut.String())[1], "down", "--volumes")
	down.Dir, down.Env = dir, cmd.Env
	if text, err := down.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
	if n := remains(t, errOut.String()); n != 0 {
		t.Errorf("%d objects are left after down", n)
	}
}

func TestFourCommandsAtOnce(t *testing.T) {
	t.Parallel()
	dir := project(t, "echo fine")
	var wg sync.WaitGroup
	for range 4 {
		cmd := lyandevTest(t, dir)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		wg.Go(func() {
			if err := cmd.Run(); err != nil {
				t.Errorf("%v\n%s", err, out.String())
			} else if n := remains(t, out.String()); n != 0 {
				t.Errorf("%d objects are left", n)
			}
		})
	}
	wg.Wait()
}

// A run that is killed in the middle leaves nothing behind, its volume included.
func TestKilledCommandLeavesNothing(t *testing.T) {
	t.Parallel()
	cmd := lyandevTest(t, project(t, "echo running; sleep 600"))
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = w, &errOut
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	if text, err := io.ReadAll(io.LimitReader(r, int64(len("running\n")))); string(text) != "running\n" {
		t.Errorf("the command says %q, %v", text, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if n := remains(t, errOut.String()); n < 4 {
		t.Errorf("%d objects ran", n)
	}
	until(t, "nothing is left of the killed run", func() bool { return remains(t, errOut.String()) == 0 })
}
