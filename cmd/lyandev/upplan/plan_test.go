package upplan

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lyandev/lyandev/profiles"
	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/prepare"
)

// stackOf is a Compose file's stack as the supervisor saves it.
func stackOf(t *testing.T, text string, images map[string]string) *services.Stack {
	t.Helper()
	file := filepath.Join(t.TempDir(), "compose.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	stack, err := profiles.Load(t.Context(), profiles.Options{Files: []string{file}, Env: os.Environ()})
	if err != nil {
		t.Fatal(err)
	}
	if stack, err = prepare.Stack(stack, "shop", images); err != nil {
		t.Fatal(err)
	}
	return stack
}

// lines are those of a plan from one stack to another.
func lines(before, after *services.Stack, again []string) []string {
	p := New(Look{Before: before, After: after, Again: again})
	return p.Lines()
}

// TestWhatChanged: an up said nothing of what it changed in a running stack.
func TestWhatChanged(t *testing.T) {
	const base = `
name: shop
services:
  Web_1:
    image: x:1
    environment: {A: one, PASSWORD: hunter22}
    configs: [conf]
    ports: ["127.0.0.1:8080:80"]
  kube:
    image: x:1
    environment: {A: one, PASSWORD: hunter22}
    secrets: [key]
    x-lyandev: {semantics: kubernetes}
  job: {image: job:1}
configs: {conf: {content: old}}
secrets: {key: {environment: KEY}}
`
	t.Setenv("KEY", "s3cret")
	for _, c := range []struct{ name, old, new, want string }{
		{"nothing", "", "", ""},
		{"image", "image: x:1", "image: x:2", "Web_1: made anew: image x:1 -> x:2|kube: rolled out: image x:1 -> x:2"},
		{"values stay out", "{A: one, PASSWORD: hunter22}", "{A: two, PASSWORD: hunter23, B.C: x}", "Web_1: made anew: environment A, PASSWORD, B.C|kube: rolled out: environment A, PASSWORD, B.C"},
		{"command and mounts", "image: job:1", "image: job:1, command: sleep 1, volumes: ['/tmp:/x']", "job: made anew: mounts, command"},
		{"content", "old", "new", "Web_1: made anew: content of config conf"},
		{"limits", "image: job:1", "image: job:1, mem_limit: 64m, restart: always, labels: {a: b}", "job: made anew: labels, resources, restart"},
		{"port moved", "8080:80", "8081:80", "Web_1: host port moved from 127.0.0.1:8080 to 127.0.0.1:8081"},
		{"replaced", "job: {image: job:1}", "cron: {image: job:1}", "cron: added|job: removed: no longer in the file"},
		{"scaled", "image: job:1", "image: job:1, scale: 3", "job: scaled: replicas 1 -> 3"},
		{"no restart", "image: job:1", "image: job:1, depends_on: [kube]", "job: changed without a restart: depends_on"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := strings.Join(lines(stackOf(t, base, nil), stackOf(t, strings.ReplaceAll(base, c.old, c.new), nil), nil), "|")
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
	rebuilt := lines(stackOf(t, base, map[string]string{"x:1": "sha256:a"}), stackOf(t, base, map[string]string{"x:1": "sha256:" + strings.Repeat("b", 64)}), nil)
	if got := strings.Join(rebuilt, "|"); got != "Web_1: made anew: new build of image x:1|kube: rolled out: new build of image x:1" {
		t.Errorf("a built image: %s", got)
	}
	if got := lines(stackOf(t, base, nil), stackOf(t, base, nil), []string{"job"}); strings.Join(got, "|") != "job: started again: it had been stopped or had failed" {
		t.Errorf("started again: %s", got)
	}
	t.Setenv("KEY", "another")
	after := stackOf(t, base, nil)
	t.Setenv("KEY", "s3cret")
	if got := lines(stackOf(t, base, nil), after, nil); strings.Join(got, "|") != "secret key: its content changed" {
		t.Errorf("the secret of a pod: %s", got)
	}
}

// TestWordsOfTheFile: diff said "volume data: changed: claim" of a volume that did not change, and "healthcheck" of a probe.
func TestWordsOfTheFile(t *testing.T) {
	file := func(ext string) *services.Stack {
		return stackOf(t, "name: shop\nservices: {web: {image: x:1, volumes: [data:/data], x-lyandev: {"+ext+"}}}\nvolumes: {data: {}}\n", nil)
	}
	probed := "kind: Deployment, probes: {readiness: {exec: {command: [a]}}}"
	if got := strings.Join(lines(file("semantics: compose"), file(probed), nil), "|"); got != "web: made anew: it was a service and becomes a deployment" {
		t.Errorf("got %s", got)
	}
	if got := strings.Join(lines(file("kind: Deployment"), file(probed), nil), "|"); got != "web: rolled out: readiness probe" {
		t.Errorf("got %s", got)
	}
}
