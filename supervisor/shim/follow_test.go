package shim

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// link makes a symbolic link in a container's root directory, with the directories above it.
func link(t *testing.T, root, name, to string) {
	t.Helper()
	at := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(to, at); err != nil {
		t.Fatal(err)
	}
}

// TestDirectoriesThatAreLinksAreFollowed inside the container, and never out of it.
func TestDirectoriesThatAreLinksAreFollowed(t *testing.T) {
	for _, c := range []struct {
		name, to string
		made     []string // directories that are there before
		path     string   // of the file, below /app
		want     string   // where it is then, below the container's root
	}{
		{"no link", "", nil, "a.css", "app/a.css"},
		{"absolute", "/srv/static", []string{"srv/static"}, "static/a.css", "srv/static/a.css"},
		{"relative", "../srv/static", []string{"srv/static"}, "static/a.css", "srv/static/a.css"},
		{"within the root", "real", []string{"app/real"}, "static/a.css", "app/real/a.css"},
		{"new directories below it", "/srv/static", []string{"srv/static"}, "static/x/y/a.css", "srv/static/x/y/a.css"},
		{"to what is not there yet", "/srv/later", nil, "static/a.css", "srv/later/a.css"},
		{"above the container", "../../../../../../../../srv", []string{"srv"}, "static/a.css", "srv/a.css"},
		{"the container itself", "/", nil, "static/a.css", "a.css"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := filepath.Join(t.TempDir(), "container")
			for _, d := range append(c.made, "app") {
				if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if c.to != "" {
				link(t, root, "app/static", c.to)
			}
			file := File{Root: filepath.Join(root, "app"), Path: c.path, Kind: Regular, Mode: 0o644, Size: 3}
			if failed, err := LayIn(root, []File{file}, strings.NewReader("one")); failed != nil || err != nil {
				t.Fatal(failed, err)
			}
			if got := read(t, filepath.Join(root, c.want)); got != "one" {
				t.Fatalf("it has %q", got)
			}
			dir := File{Root: file.Root, Path: filepath.Dir(c.path), Kind: Directory, Mode: 0o755}
			file.Kind, file.Size = Gone, 0
			list := []File{file}
			if c.to != "" {
				list = append(list, dir)
			}
			if failed, err := LayIn(root, list, strings.NewReader("")); failed != nil || err != nil {
				t.Fatal(failed, err)
			}
			if _, err := os.Lstat(filepath.Join(root, c.want)); !os.IsNotExist(err) {
				t.Errorf("it was not removed: %v", err)
			}
			if info, err := os.Lstat(filepath.Join(root, "app/static")); c.to != "" && (err != nil || info.Mode()&os.ModeSymlink == 0) {
				t.Errorf("the link is gone: %v, %v", info, err)
			}
		})
	}
}

func TestLinksThatLeadToThemselves(t *testing.T) {
	root := t.TempDir()
	link(t, root, "app/a", "b")
	link(t, root, "app/b", "a")
	file := File{Root: root + "/app", Path: "a/x", Kind: Regular, Mode: 0o644, Size: 3}
	failed, err := LayIn(root, []File{file, {Root: root + "/app", Path: "good", Kind: Regular, Mode: 0o644, Size: 3}}, strings.NewReader("badone"))
	if err != nil || failed == nil || !strings.Contains(failed.Error(), "too many levels of symbolic links") {
		t.Fatalf("%v, %v", failed, err)
	}
	if read(t, root+"/app/good") != "one" {
		t.Fatal("one failure dropped the other file")
	}
}

// FuzzLayIn: whatever links and paths come, nothing outside the container changes.
func FuzzLayIn(f *testing.F) {
	f.Add("l", "../../secret-dir", "l/x", "file")
	f.Add("l", "/", "l/../secret-dir/x", "dir")
	f.Add("a/b", "..", "a/b/../../../secret-dir", "gone")
	f.Add("l", "/../../secret-dir", "l", "link")
	f.Fuzz(func(t *testing.T, p1, to, p2, kind string) {
		base := t.TempDir()
		root, outside := filepath.Join(base, "a", "container"), filepath.Join(base, "a", "secret-dir")
		for _, d := range []string{root + "/app", outside} {
			if err := os.MkdirAll(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		files := []File{{Root: root + "/app", Path: p1, Kind: Symlink, Link: to}, {Root: root + "/app", Path: p2, Kind: Kind(kind), Link: to, Mode: 0o644}}
		if _, err := LayIn(root, files, strings.NewReader("")); err != nil {
			t.Fatal(err)
		}
		if entries, err := os.ReadDir(outside); err != nil || len(entries) != 0 {
			t.Fatalf("%v, %v", entries, err)
		}
		if entries, err := os.ReadDir(filepath.Join(base, "a")); err != nil || len(entries) != 2 {
			t.Fatalf("%v, %v", entries, err)
		}
	})
}
