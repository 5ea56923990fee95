package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lyandev/lyandev/profiles"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// TestProvidersOfATestRun: the providers of a stack provide for its copy, under the copy's name, and remove at the end what they made.
func TestProvidersOfATestRun(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("cloud", `#!/bin/sh
echo "$*" >>calls
echo '{"type":"setenv","message":"URL=here"}'
`, 0o755)
	write("compose.yaml", "services:\n  db: {provider: {type: cloud, options: {size: 1}}}\n  web: {image: x, depends_on: [db]}\n", 0o644)
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	stack, err := profiles.Load(t.Context(), profiles.Options{Files: []string{filepath.Join(dir, "compose.yaml")}, Env: os.Environ()})
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	r := &testRun{o: testOptions{st: &ui.Streams{Out: &said, Err: &said}}, stack: stack, name: "copy"}
	end, err := r.provide(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	env := func(w string) string {
		return r.config.Stack.Workload(w).PodMeta().Annotations[compose.Annotation]
	}
	if !strings.Contains(env("web"), "DB_URL=here") || strings.Contains(stack.Workload("web").PodMeta().Annotations[compose.Annotation], "DB_URL") {
		t.Errorf("the copy's web has %s", env("web"))
	}
	end(t.Context())
	calls, err := os.ReadFile(filepath.Join(dir, "calls"))
	want := "compose metadata\ncompose --project-name=copy up --size=1 db\ncompose metadata\ncompose --project-name=copy down --size=1 db\n"
	if err != nil || string(calls) != want || r.err != nil {
		t.Errorf("calls %q (%v, %v), want %q", calls, err, r.err, want)
	}
}

// TestMissingProviderOfATestRun: the run fails with what is missing, and says it once.
func TestMissingProviderOfATestRun(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "compose.yaml")
	if err := os.WriteFile(file, []byte("services:\n  db: {provider: {type: no-such-cloud}}\n  web: {image: x, depends_on: [db]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stack, err := profiles.Load(t.Context(), profiles.Options{Files: []string{file}, Env: os.Environ()})
	if err != nil {
		t.Fatal(err)
	}
	r := &testRun{o: testOptions{st: &ui.Streams{Out: &bytes.Buffer{}, Err: &bytes.Buffer{}}}, stack: stack, name: "copy"}
	end, err := r.provide(t.Context())
	end(t.Context())
	if err == nil || !strings.Contains(err.Error(), "nor a program no-such-cloud in PATH") || r.err != nil {
		t.Errorf("%v, %v", err, r.err)
	}
}
