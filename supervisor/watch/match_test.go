package watch

import (
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"
)

func matcher(t *testing.T, base string, include []string, ignores ...Ignores) *Matcher {
	t.Helper()
	m, err := NewMatcher(base, include, ignores...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMatches(t *testing.T) {
	own := Ignores{Dir: "/src/app", Patterns: []string{"tests/", "**/__pycache__/", "*.log", "!keep.log"}}
	docker := Ignores{Dir: "/src", Patterns: []string{"app/build", "**/*.o"}}
	m := matcher(t, "/src/app", nil, own, docker)
	for path, want := range map[string]bool{
		"/src/app":                        true,
		"/src/app/a.py":                   true,
		"/src/app/deep/er/a.py":           true,
		"/src/app/tests":                  false,
		"/src/app/tests/t.py":             false,
		"/src/app/deep/tests/t.py":        true,
		"/src/app/__pycache__/a.pyc":      false,
		"/src/app/deep/__pycache__/a.pyc": false,
		"/src/app/a.log":                  false,
		"/src/app/keep.log":               true,
		"/src/app/build/x":                false,
		"/src/app/deep/x.o":               false,
		"/src/app/.git/index":             false,
		"/src/app/deep/.git":              false,
		"/src/app/a.py~":                  false,
		"/src/app/.a.py.swp":              false,
		"/src/app/deep/4913":              false,
		"/src/app/.#a.py":                 false,
		"/src/app/#a.py#":                 false,
		"/src/app/a.py___jb_tmp___":       false,
		"/src/app/.env":                   true,
		"/src/apple":                      false,
		"/src":                            false,
		"/elsewhere":                      false,
	} {
		if got := m.Matches(path, false); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}

func TestIncludeHoldsForFilesOnly(t *testing.T) {
	m := matcher(t, "/src", []string{"*.py", "static/**"})
	for path, want := range map[string]bool{"/src/a.py": true, "/src/a.txt": false, "/src/static/x/y.css": true, "/src/deep/a.py": false} {
		if got := m.Matches(path, false); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
	if !m.Matches("/src/deep", true) || m.Skips("/src/deep") {
		t.Error("a directory that may hold something is skipped")
	}
}

func TestSkips(t *testing.T) {
	plain := matcher(t, "/src", nil, Ignores{Dir: "/src", Patterns: []string{"node_modules", "**/out"}})
	again := matcher(t, "/src", nil, Ignores{Dir: "/src", Patterns: []string{"vendor", "!vendor/own"}})
	for _, c := range []struct {
		m    *Matcher
		dir  string
		want bool
	}{
		{plain, "/src", false},
		{plain, "/src/node_modules", true},
		{plain, "/src/node_modules/x", true},
		{plain, "/src/a/out", true},
		{plain, "/src/a", false},
		{plain, "/src/.git", true},
		{plain, "/other", true},
		{again, "/src/vendor", false}, // something below it counts again
		{again, "/src/.git", true},
	} {
		if got := c.m.Skips(c.dir); got != c.want {
			t.Errorf("%s: %v", c.dir, got)
		}
	}
}

// What lies in a directory that is skipped never matches: otherwise changes would be missed.
func TestSkippedNeverMatches(t *testing.T) {
	name := rapid.SampledFrom([]string{"a", "b", ".git", "node_modules", "x.py", "x.log"})
	pattern := rapid.Custom(func(t *rapid.T) string {
		p := rapid.SampledFrom([]string{"", "**/", "a/", "!", "!a/"}).Draw(t, "prefix") + name.Draw(t, "name")
		return p + rapid.SampledFrom([]string{"", "/", "/*", "/**"}).Draw(t, "suffix")
	})
	rapid.Check(t, func(t *rapid.T) {
		m, err := NewMatcher("/src", nil, Ignores{Dir: "/src", Patterns: rapid.SliceOfN(pattern, 0, 4).Draw(t, "patterns")})
		if err != nil {
			t.Skip("not a pattern")
		}
		dir := "/src"
		for _, n := range rapid.SliceOfN(name, 1, 4).Draw(t, "path") {
			dir += "/" + n
		}
		below := dir + "/" + name.Draw(t, "leaf")
		if m.Skips(dir) && m.Matches(below, false) {
			t.Fatalf("%s is skipped and %s matches", dir, below)
		}
	})
}

func TestReadIgnores(t *testing.T) {
	dir := t.TempDir()
	if got, err := ReadIgnores(dir, ""); err != nil || len(got.Patterns) != 0 {
		t.Fatalf("%v %v", got, err)
	}
	write(t, filepath.Join(dir, ".dockerignore"), "# c\nnode_modules\n")
	write(t, filepath.Join(dir, "Other.dockerignore"), "tests\n")
	if got, err := ReadIgnores(dir, ""); err != nil || len(got.Patterns) != 1 || got.Patterns[0] != "node_modules" {
		t.Fatalf("%v %v", got, err)
	}
	if got, err := ReadIgnores(dir, "Other"); err != nil || len(got.Patterns) != 1 || got.Patterns[0] != "tests" {
		t.Fatalf("%v %v", got, err)
	}
	if _, err := NewMatcher(dir, nil, Ignores{Dir: dir, Patterns: []string{"["}}); err == nil {
		t.Fatal("a broken pattern is taken")
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
