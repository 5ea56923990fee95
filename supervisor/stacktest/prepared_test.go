package stacktest_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/e2e/harness"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/snapshot"
)

// preparing is a directory with a stack whose volume is filled by a step for the first start, and whose test adds to it.
type preparing struct {
	t             *testing.T
	name, dir     string
	state, caches string
}

func newPreparing(t *testing.T) *preparing {
	t.Helper()
	p := &preparing{t: t, name: fmt.Sprintf("prepared-%d", os.Getpid()), dir: t.TempDir(), state: t.TempDir(), caches: t.TempDir()}
	text := `
name: ` + p.name + `
x-lyandev: {semantics: kubernetes}
services:
  db:
    image: debian:trixie-slim
    command: [sh, -c, 'touch /tmp/ready; exec sleep 600']
    init: true
    stop_grace_period: 0s
    environment: {FLAVOUR: '${FLAVOUR}'}
    volumes: [data:/data]
    x-lyandev:
      probes:
        readiness: {exec: {command: [test, -e, /tmp/ready]}, periodSeconds: 1}
      bootstrap:
        - {name: seed, run: 'echo "$$FLAVOUR $$(cat /proc/sys/kernel/random/uuid)" >> /data/seed', when: first-start}
      test: [sh, -c, 'cat /data/seed; ls /data; echo x > /data/by-the-tests']
volumes: {data: {}}
`
	if err := os.WriteFile(filepath.Join(p.dir, "compose.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.clean)
	return p
}

// lyandev runs a command in the directory, with a flavour for the stack.
func (p *preparing) lyandev(flavour string, args ...string) (out, errOut string) {
	p.t.Helper()
	cmd := exec.Command(harness.Binary(p.t), args...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+p.state, "XDG_CACHE_HOME="+p.caches, "TMPDIR="+p.t.TempDir(),
		"RYUK_RECONNECTION_TIMEOUT=1s", "NO_COLOR=1", "FLAVOUR="+flavour)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	if err := cmd.Run(); err != nil {
		p.t.Errorf("lyandev %v: %v\n%s", args, err, e.String())
	}
	return o.String(), e.String()
}

// test runs the stack's tests and gives what they saw: the lines of the seed, and the files there were. from says whether the
// run began with prepared volumes.
func (p *preparing) test(flavour string, args ...string) (seed, files string, from bool) {
	p.t.Helper()
	out, errOut := p.lyandev(flavour, append([]string{"test", "--prepared", "always"}, args...)...)
	seed, files, _ = strings.Cut(out, "\n")
	return seed, strings.Join(strings.Fields(files), " "), strings.Contains(errOut, "from volumes prepared by an earlier run")
}

// volumes are what the runs have left.
func (p *preparing) volumes(ctx context.Context) []engine.Volume {
	p.t.Helper()
	eng, err := engine.NewDocker(false)
	if err != nil {
		p.t.Fatal(err)
	}
	defer eng.Close()
	list, err := eng.ListVolumes(ctx, map[string]string{services.ProjectLabel: p.name})
	if err != nil {
		p.t.Fatal(err)
	}
	return list
}

// names are the snapshots that there are.
func (p *preparing) names(ctx context.Context) (names []string) {
	p.t.Helper()
	list, err := snapshot.List(p.volumes(ctx))
	if err != nil {
		p.t.Error(err)
	}
	for _, m := range list {
		names = append(names, m.Name)
	}
	return names
}

func (p *preparing) clean() {
	ctx := context.WithoutCancel(p.t.Context())
	if names := p.names(ctx); len(names) > 0 {
		p.lyandev("", append([]string{"snapshot", "rm"}, names...)...)
	}
	if left := p.volumes(ctx); len(left) > 0 {
		p.t.Errorf("left: %v", left)
	}
}

// A second run of the same stack begins with what the first one's start has made, and not with what its tests wrote; another
// stack does not. Runs at the same time do not disturb each other.
func TestPreparedVolumes(t *testing.T) {
	t.Parallel()
	p := newPreparing(t)
	seed, files, from := p.test("sweet")
	if !strings.HasPrefix(seed, "sweet ") || files != "seed" || from {
		t.Fatalf("the first run saw %q, %q; prepared: %v", seed, files, from)
	}
	first := p.names(t.Context())
	if len(first) != 1 || !strings.HasPrefix(first[0], "test-default-") {
		t.Fatalf("the first run left %v", first)
	}
	for _, v := range p.volumes(t.Context()) {
		if v.Labels["org.testcontainers.sessionId"] != "" {
			t.Errorf("volume %s belongs to the test session, whose reaper removes it", v.Name)
		}
	}
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			again, files, from := p.test("sweet")
			if again != seed || files != "seed" || !from {
				t.Errorf("a later run saw %q, %q, prepared: %v; want %q", again, files, from, seed)
			}
		})
	}
	both.Wait()
	if got := p.names(t.Context()); len(got) != 1 || got[0] != first[0] {
		t.Errorf("later runs left %v; want %v", got, first)
	}
	if cold, files, from := p.test("sweet", "--prepared", "never"); cold == seed || files != "seed" || from {
		t.Errorf("with never a run saw %q, %q, prepared: %v", cold, files, from)
	}
	for range 2 { // both may want to leave theirs; the one that is late may begin with the other's
		both.Go(func() {
			if other, files, _ := p.test("sour"); !strings.HasPrefix(other, "sour ") || files != "seed" {
				t.Errorf("another stack saw %q, %q", other, files)
			}
		})
	}
	both.Wait()
	if got := p.names(t.Context()); len(got) != 1 || got[0] == first[0] {
		t.Errorf("another stack left %v; want one of its own in the place of %v", got, first)
	}
	if out, _ := p.lyandev("", "snapshot", "ls"); !strings.Contains(out, p.names(t.Context())[0]) {
		t.Errorf("snapshot ls shows\n%s", out)
	}
}
