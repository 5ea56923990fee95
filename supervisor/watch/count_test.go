package watch

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

func TestCountDirs(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"src/a/b", "src/c", "node_modules/x/y", ".git/objects"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	all, err := NewMatcher(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	own, err := NewMatcher(dir, nil, Ignores{Dir: dir, Patterns: []string{"node_modules"}})
	if err != nil {
		t.Fatal(err)
	}
	src := filepath.Join(dir, "src")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tc := range []struct {
		name  string
		ctx   context.Context
		roots []Root
		limit int
		want  int
		more  bool
	}{
		{"no roots", t.Context(), nil, 10, 0, false},
		{"all but version control", t.Context(), []Root{{dir, all}}, 100, 8, false},
		{"without what is ignored", t.Context(), []Root{{dir, own}}, 100, 5, false},
		{"a root in another one counts once", t.Context(), []Root{{dir, own}, {src, nil}}, 100, 5, false},
		{"stops at the limit", t.Context(), []Root{{dir, all}}, 3, 3, true},
		{"a root that is not there", t.Context(), []Root{{filepath.Join(dir, "none"), nil}}, 100, 0, false},
		{"stops with its context", ended, []Root{{dir, all}}, 100, 0, true},
	} {
		if n, more := CountDirs(tc.ctx, tc.roots, tc.limit); n != tc.want || more != tc.more {
			t.Errorf("%s: got %d, %v; want %d, %v", tc.name, n, more, tc.want, tc.more)
		}
	}
}
