package profiles

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lyandev/lyandev/services/goldentest"
)

// TestMistakes loads each directory of testdata/mistakes as a user would, with every profile checked, and compares what the user reads:
// the mistakes, or the notes of a file that is accepted. Comments at the top of compose.yaml can name other "files:" and "profiles:".
func TestMistakes(t *testing.T) {
	dirs, err := filepath.Glob("testdata/mistakes/*")
	if err != nil || len(dirs) < 35 {
		t.Fatalf("%d directories: %v", len(dirs), err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			goldentest.Compare(t, "mistakes/"+filepath.Base(dir)+"/want.txt", mistakesOf(t, dir))
		})
	}
}

func mistakesOf(t *testing.T, dir string) string {
	t.Helper()
	abs, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	head := func(word string) []string {
		for line := range strings.Lines(string(text)) {
			if v, ok := strings.CutPrefix(line, "# "+word+": "); ok {
				return strings.Fields(v)
			}
		}
		return nil
	}
	files := head("files")
	if files == nil {
		files = []string{"compose.yaml"}
	}
	for i := range files {
		files[i] = filepath.Join(abs, files[i])
	}
	stack, err := Load(t.Context(), Options{Files: files, Profiles: head("profiles"), EveryProfile: true})
	var list Errors
	switch {
	case err == nil:
		return strings.ReplaceAll(strings.Join(append(stack.Notes, ""), "\n"), abs+"/", "")
	case !errors.As(err, &list):
		t.Fatal(err)
	}
	return list.Text(abs, Paint{})
}
