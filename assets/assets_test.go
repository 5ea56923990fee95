package assets

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func TestImagesHaveWhatABuildNeeds(t *testing.T) {
	for _, name := range []string{"mariadb", "redis", "memcached"} {
		dockerfile, err := fs.ReadFile(Images(), name+"/Dockerfile")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(dockerfile)) {
			words := strings.Fields(line)
			if len(words) < 3 || words[0] != "COPY" || strings.HasPrefix(words[1], "--from") {
				continue
			}
			for _, source := range words[1 : len(words)-1] {
				if _, err := fs.Stat(Images(), name+"/"+source); err != nil {
					t.Errorf("%s: the Dockerfile copies %s, which is not embedded", name, source)
				}
			}
		}
	}
}

func TestImagesStandOnTheBaseThatScriptsMake(t *testing.T) {
	for _, name := range []string{"mariadb", "redis", "memcached"} {
		dockerfile, err := fs.ReadFile(Images(), name+"/Dockerfile")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(dockerfile), "\nFROM debian:trixie-slim") {
			t.Errorf("%s is not built on debian:trixie-slim", name)
		}
		if strings.HasPrefix(string(dockerfile), "# syntax") {
			t.Errorf("%s has a syntax line: it would be fetched from a registry", name)
		}
	}
}

func TestDemoLeavesOutWhatToolsLeaveBehind(t *testing.T) {
	err := fs.WalkDir(Demo(), ".", func(path string, _ fs.DirEntry, err error) error {
		for _, unwanted := range []string{"__pycache__", ".pytest_cache", ".pyc"} {
			if strings.Contains(path, unwanted) {
				t.Errorf("%s is embedded", path)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, wanted := range []string{"Dockerfile", ".dockerignore"} {
		if _, err := fs.Stat(Demo(), wanted); err != nil {
			t.Error(err)
		}
	}
}

// Everything of the demo that is on disk must be embedded: Go's rule leaves out names that begin with a dot or an underscore,
// so a new one of those has to be named in the embed pattern.
func TestDemoIsComplete(t *testing.T) {
	err := filepath.WalkDir("demo", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if name == "__pycache__" || name != "demo" && strings.HasPrefix(name, ".") {
				return fs.SkipDir
			}
			return nil
		}
		if _, err := embedded.Open(filepath.ToSlash(path)); err != nil {
			t.Errorf("%s is not embedded: add it to the pattern", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWriteToSetsModesByContent(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "place")
	files := fstest.MapFS{
		"image/Dockerfile":    {Data: []byte("FROM scratch\n")},
		"image/entrypoint.sh": {Data: []byte("#!/bin/sh\n")},
		"image/lib/deep/a.sh": {Data: []byte("# sourced\n")},
		"image/empty":         {},
	}
	if err := WriteTo(files, dir); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]fs.FileMode{
		"image/Dockerfile":    0o644,
		"image/entrypoint.sh": 0o755,
		"image/lib/deep/a.sh": 0o644,
		"image/empty":         0o644,
	} {
		info, err := os.Stat(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode(), want)
		}
		got, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil || string(got) != string(files[path].Data) {
			t.Errorf("%s holds %q (%v), want %q", path, got, err, files[path].Data)
		}
	}
}

func TestWriteToTouchesOnlyWhatDiffers(t *testing.T) {
	dir := t.TempDir()
	files := fstest.MapFS{
		"same":    {Data: []byte("same")},
		"content": {Data: []byte("new!")},
		"mode":    {Data: []byte("#!/bin/sh\n")},
	}
	if err := WriteTo(files, dir); err != nil {
		t.Fatal(err)
	}
	long := time.Now().Add(-time.Hour).Truncate(time.Second)
	write(t, dir, "content", "old!", 0o644)
	write(t, dir, "mode", "#!/bin/sh\n", 0o644)
	write(t, dir, "stranger", "kept", 0o600)
	for _, name := range []string{"same", "content", "mode", "stranger"} {
		if err := os.Chtimes(filepath.Join(dir, name), long, long); err != nil {
			t.Fatal(err)
		}
	}
	if err := WriteTo(files, dir); err != nil {
		t.Fatal(err)
	}
	for name, touched := range map[string]bool{"same": false, "content": true, "mode": true, "stranger": false} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := !info.ModTime().Equal(long); got != touched {
			t.Errorf("%s was touched: %v, want %v", name, got, touched)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 4 {
		t.Errorf("the directory holds %v (%v), want the four files only", entries, err)
	}
}

// A link that somebody put in a file's place must not lead the content elsewhere.
func TestWriteToReplacesLinks(t *testing.T) {
	dir := t.TempDir()
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	write(t, filepath.Dir(elsewhere), "elsewhere", "theirs", 0o644)
	if err := os.Symlink(elsewhere, filepath.Join(dir, "file")); err != nil {
		t.Fatal(err)
	}
	if err := WriteTo(fstest.MapFS{"file": {Data: []byte("ours")}}, dir); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(elsewhere); err != nil || string(got) != "theirs" {
		t.Errorf("the link's target holds %q (%v), want it unchanged", got, err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "file")); err != nil || string(got) != "ours" {
		t.Errorf("the file holds %q (%v), want ours", got, err)
	}
}

func TestWriteToSaysWhatItCouldNotWrite(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "taken", "a file where a directory should go", 0o644)
	err := WriteTo(fstest.MapFS{"taken/inside": {Data: []byte("x")}}, dir)
	if err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "taken")) {
		t.Errorf("the error is %v, want one that names the path", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "directory", "inside"), 0o755); err != nil {
		t.Fatal(err)
	}
	err = WriteTo(fstest.MapFS{"directory": {Data: []byte("x")}}, dir)
	if err == nil || !strings.HasPrefix(err.Error(), "cannot write embedded directory to ") {
		t.Errorf("the error is %v, want one that says what was written", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".write-*")); len(left) > 0 {
		t.Errorf("a failed write left %v behind", left)
	}
}

func TestWriteToLaysOutTheImages(t *testing.T) {
	dir := t.TempDir()
	if err := WriteTo(Images(), dir); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"mariadb/entrypoint.sh", "redis/entrypoint.sh", "memcached/entrypoint.sh"} {
		info, err := os.Stat(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o755 {
			t.Errorf("%s has mode %v, so the container could not run it", path, info.Mode())
		}
	}
}

func write(t *testing.T, dir, name, content string, mode fs.FileMode) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestExampleOfLyannaIsTheStackFile(t *testing.T) {
	want, err := os.ReadFile("../lyanna.dev.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := fs.ReadFile(Examples(), "lyanna/lyanna.dev.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Error("assets/examples/lyanna/lyanna.dev.yaml differs from lyanna.dev.yaml; copy that over it")
	}
}
