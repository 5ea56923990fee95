package shim

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// lay lays files whose contents are their texts.
func lay(t *testing.T, files []File, texts ...string) (failed error) {
	t.Helper()
	n := 0
	for i := range files {
		if files[i].Kind == Regular {
			files[i].Size = int64(len(texts[n]))
			n++
		}
	}
	failed, err := LayFiles(files, strings.NewReader(strings.Join(texts, "")))
	if err != nil {
		t.Fatal(err)
	}
	return failed
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestLayFiles(t *testing.T) {
	root := filepath.Join(t.TempDir(), "made")
	at := time.Date(2024, 5, 6, 7, 8, 9, 10, time.UTC)
	failed := lay(t, []File{
		{Root: root, Path: "deep/er", Kind: Directory, Mode: 0o750},
		{Root: root, Path: "deep/er/run.sh", Kind: Regular, Mode: 0o755, ModTime: at.UnixNano()},
		{Root: root, Path: "un/announced/a.py", Kind: Regular, Mode: 0o644},
		{Root: root, Path: "link", Kind: Symlink, Link: "deep/er/run.sh"},
		{Root: root, Path: "never", Kind: Gone},
	}, "one", "two")
	if failed != nil {
		t.Fatal(failed)
	}
	info, err := os.Stat(filepath.Join(root, "deep/er/run.sh"))
	if err != nil || info.Mode().Perm() != 0o755 || !info.ModTime().Equal(at) || read(t, filepath.Join(root, "link")) != "one" {
		t.Fatalf("%v %v", info, err)
	}
	failed = lay(t, []File{
		{Root: root, Path: "deep", Kind: Regular, Mode: 0o644}, // a directory becomes a file
		{Root: root, Path: "un/announced/a.py", Kind: Directory, Mode: 0o755},
		{Root: root, Path: "link", Kind: Regular, Mode: 0o600}, // a link is replaced, not written through
		{Root: root, Path: "un/announced", Kind: Gone},
	}, "file", "plain")
	if failed != nil {
		t.Fatal(failed)
	}
	if read(t, filepath.Join(root, "deep")) != "file" || read(t, filepath.Join(root, "link")) != "plain" {
		t.Fatal("not replaced")
	}
	if _, err := os.Stat(filepath.Join(root, "un/announced")); !os.IsNotExist(err) {
		t.Fatal("not removed")
	}
	var left []string
	_ = filepath.WalkDir(root, func(path string, _ fs.DirEntry, _ error) error {
		if strings.Contains(path, ".lyandev-") {
			left = append(left, path)
		}
		return nil
	})
	if len(left) > 0 {
		t.Fatalf("left behind: %v", left)
	}
}

func TestOneFailureDropsNoOther(t *testing.T) {
	root := t.TempDir()
	if err := os.Symlink("/", filepath.Join(root, "out")); err != nil {
		t.Fatal(err)
	}
	failed := lay(t, []File{
		{Root: root, Path: "../evil", Kind: Regular, Mode: 0o644},
		{Root: root, Path: "out/tmp/lyandev-evil", Kind: Regular, Mode: 0o644},
		{Root: root, Path: ".", Kind: Gone},
		{Root: "relative", Path: "x", Kind: Gone},
		{Root: root, Path: "good", Kind: Regular, Mode: 0o644},
		{Root: root, Path: "odd", Kind: "pipe"},
	}, "evil", "evil", "good")
	if failed == nil || read(t, filepath.Join(root, "good")) != "good" {
		t.Fatalf("failed: %v", failed)
	}
	for _, want := range []string{"../evil", "out/tmp", `"relative"`, `"pipe"`} {
		if !strings.Contains(failed.Error(), want) {
			t.Errorf("%q is not in %v", want, failed)
		}
	}
	if _, err := os.Stat("/tmp/lyandev-evil"); err == nil {
		t.Fatal("it wrote outside")
	}
}

func TestContentsThatBreakOff(t *testing.T) {
	root := t.TempDir()
	if _, err := LayFiles([]File{{Root: root, Path: "a", Kind: Regular, Size: 10}}, strings.NewReader("four")); err == nil {
		t.Fatal("half a file is taken")
	}
	if _, err := LayFiles([]File{{Root: root, Path: "a", Kind: Regular, Size: -1}}, strings.NewReader("")); err == nil {
		t.Fatal("a negative size is taken")
	}
}

// FuzzLay: whatever paths, links and kinds come, in whatever order, nothing outside the root changes.
func FuzzLay(f *testing.F) {
	f.Add("a", "b", "../x", "file", "link", "gone")
	f.Add("l", "l/x", "/etc/passwd", "link", "file", "dir")
	f.Add("d/../../out", "d", "..", "file", "dir", "link")
	f.Add("l", "l/../../secret", "..", "link", "gone", "file")
	f.Add("a\x00b", "a/./b", "a//b", "file", "dir", "file")
	f.Fuzz(func(t *testing.T, p1, p2, link, k1, k2, k3 string) {
		base := t.TempDir()
		outside := filepath.Join(base, "secret")
		if err := os.WriteFile(outside, []byte("untouched"), 0o644); err != nil {
			t.Fatal(err)
		}
		root := filepath.Join(base, "root")
		var files []File
		var contents bytes.Buffer
		for _, k := range []string{k1, k2, k3} {
			for _, p := range []string{p1, p2, p1 + "/" + p2, "../secret"} {
				file := File{Root: root, Path: p, Kind: Kind(k), Link: link, Mode: 0o644}
				if file.Kind == Regular {
					file.Size = 4
					contents.WriteString("evil")
				}
				files = append(files, file)
			}
		}
		if _, err := LayFiles(files, &contents); err != nil {
			t.Fatal(err)
		}
		if read(t, outside) != "untouched" {
			t.Fatal("a file outside was written")
		}
		names, err := os.ReadDir(base)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			if n.Name() != "secret" && n.Name() != "root" {
				t.Fatalf("%s was made outside", n.Name())
			}
		}
	})
}
