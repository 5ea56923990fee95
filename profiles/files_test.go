package profiles

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lyandev/lyandev/services"
)

// write puts files into a new directory and gives the directory.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// loadText loads one Compose file given as text; files are others beside it.
func loadText(t *testing.T, text string, o Options, files map[string]string) (*services.Stack, error) {
	t.Helper()
	all := map[string]string{"compose.yaml": text}
	for k, v := range files {
		all[k] = v
	}
	dir := write(t, all)
	o.Files = []string{filepath.Join(dir, "compose.yaml")}
	return Load(context.Background(), o)
}

func mustLoad(t *testing.T, text string, o Options) *services.Stack {
	t.Helper()
	s, err := loadText(t, text, o, nil)
	if err != nil {
		t.Fatalf("cannot load:\n%v", err)
	}
	return s
}

// errorLines are the errors of a load as "file:line: path: message (hint)", with the file's directory cut off. TestMistakes compares the
// text with columns and excerpts.
func errorLines(t *testing.T, err error) []string {
	t.Helper()
	var list Errors
	if !errors.As(err, &list) {
		t.Fatalf("not Errors but %T: %v", err, err)
	}
	var out []string
	for _, e := range list {
		line := position{file: filepath.Base(e.File), line: e.Line}.String() + ": "
		if e.Path != "" {
			line += e.Path + ": "
		}
		line += e.Message
		if e.Hint != "" {
			line += " (" + e.Hint + ")"
		}
		out = append(out, line)
	}
	return out
}

func contains(t *testing.T, lines []string, want string) {
	t.Helper()
	for _, l := range lines {
		if strings.Contains(l, want) {
			return
		}
	}
	t.Errorf("no line has %q in:\n%s", want, strings.Join(lines, "\n"))
}

// TestServicesByName: a service that is asked for by name is part of the stack, whatever profiles are active.
func TestServicesByName(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "compose.yaml")
	text := "services:\n  web: {image: \"web:1\"}\n  tool: {image: \"tool:1\", profiles: [tools]}\n  other: {image: \"other:1\", profiles: [others]}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		names []string
		want  string
	}{{nil, "web"}, {[]string{"web"}, "web"}, {[]string{"tool"}, "web tool"}} {
		s, err := Load(t.Context(), Options{Files: []string{file}, Services: c.names})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, w := range s.Workloads {
			got = append(got, w.Name())
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("with %v the services are %v, want %s", c.names, got, c.want)
		}
	}
}
