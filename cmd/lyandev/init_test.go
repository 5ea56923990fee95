package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lyandev/lyandev/supervisor/ui"
)

// TestInitAsks: at a terminal init asks; nothing is written without a yes, and the file that was there keeps its mode and its place.
func TestInitAsks(t *testing.T) {
	for _, tc := range []struct {
		name, answer string
		existing     bool
		asks         string
		written      bool
		fails        bool
	}{
		{name: "yes", answer: "y\n", asks: "Write compose.yaml, .dockerignore, Dockerfile, www/index.html? [Y/n] ", written: true},
		{name: "the default", answer: "\n", asks: "[Y/n]", written: true},
		{name: "no", answer: "n\n", asks: "[Y/n]", fails: true},
		{name: "no answer", asks: "[Y/n]", fails: true},
		{name: "a file that is there, yes", answer: "yes\n", existing: true, asks: "Add it? [Y/n] ", written: true},
		{name: "a file that is there, no", answer: "no\n", existing: true, asks: "Add it? [Y/n] "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Setenv("XDG_CONFIG_HOME", t.TempDir())
			dir, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "real.yaml")
			file := filepath.Join(dir, "compose.yaml")
			if tc.existing {
				if err := os.WriteFile(elsewhere, []byte("services: {}\n"), 0o640); err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(elsewhere, file); err != nil {
					t.Fatal(err)
				}
			}
			var out bytes.Buffer
			st := &ui.Streams{In: strings.NewReader(tc.answer), Out: &out, Err: &out, InTTY: true, ErrTTY: true}
			err := runInit(st, initOptions{dir: dir})
			if (err != nil) != tc.fails || !strings.Contains(out.String(), tc.asks) {
				t.Errorf("got %v, and\n%s", err, &out)
			}
			b, _ := os.ReadFile(file)
			if got := strings.HasPrefix(string(b), "# yaml-language-server: "); got != tc.written {
				t.Errorf("written: %v\n%s", got, b)
			}
			if !tc.existing {
				return
			}
			if info, err := os.Lstat(elsewhere); err != nil || info.Mode() != 0o640 {
				t.Errorf("the file: %v, %v", info, err)
			}
			if info, err := os.Lstat(file); err != nil || info.Mode()&os.ModeSymlink == 0 {
				t.Errorf("the link: %v, %v", info, err)
			}
		})
	}
}
