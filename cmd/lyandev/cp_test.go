package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/errdefs"
)

// files are what is in a container, by path: a directory's text is "/", a link's "->TARGET".
type files map[string]string

// CopyFrom returns a path and what is below it, as the engine does: named from its last element on.
func (f files) CopyFrom(_ context.Context, _, at string) (io.ReadCloser, error) {
	root := path.Clean(at)
	if _, ok := f[root]; !ok {
		return nil, errdefs.NotFound(errors.New("no such file"))
	}
	var names []string
	for name := range f {
		if name == root || strings.HasPrefix(name, root+"/") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range names {
		h := &tar.Header{Name: path.Base(root) + strings.TrimPrefix(name, root), Mode: 0o755, Typeflag: tar.TypeReg, Size: int64(len(f[name]))}
		if target, link := strings.CutPrefix(f[name], "->"); link {
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, target, 0
		} else if f[name] == "/" {
			h.Typeflag, h.Name, h.Size = tar.TypeDir, h.Name+"/", 0
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if h.Typeflag == tar.TypeReg {
			_, _ = io.WriteString(w, f[name])
		}
	}
	return io.NopCloser(&b), w.Close()
}

func (f files) CopyTo(_ context.Context, _, dir string, r io.Reader) error {
	if f[path.Clean(dir)] != "/" {
		return errors.New("no such directory " + dir)
	}
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		text, _ := io.ReadAll(t)
		if h.Typeflag == tar.TypeDir {
			text = []byte("/")
		}
		f[path.Join(dir, h.Name)] = string(text)
	}
}

// TestCopyIn: what is copied where, as docker cp does.
func TestCopyIn(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a": "one", "d/b": "two"} {
		_ = os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ src, dest, path, text string }{
		{"a", "/tmp", "/tmp/a", "one"},
		{"a", "/tmp/", "/tmp/a", "one"},
		{"a", "tmp/x", "/tmp/x", "one"},
		{"a", "/old", "/old", "one"},
		{"a", "/link", "/tmp/a", "one"},
		{"d", "/tmp", "/tmp/d/b", "two"},
		{"d", "/tmp/new", "/tmp/new/b", "two"},
		{"d/.", "/tmp", "/tmp/b", "two"},
		{"d", "/old", "", "cannot copy"},
		{"a", "/new/", "", "cannot copy"},
		{"a", "/nodir/x", "", "no such directory"},
		{"nosuch", "/tmp", "", "cannot copy"},
	} {
		f := files{"/": "/", "/tmp": "/", "/old": "x", "/link": "->tmp"}
		src := dir + "/" + c.src
		err := copyIn(t.Context(), f, "id", src, c.dest, false, nil)
		switch {
		case c.path == "" && (err == nil || !strings.Contains(err.Error(), c.text)):
			t.Errorf("%s to %s: got %v, want an error with %q", c.src, c.dest, err, c.text)
		case c.path != "" && (err != nil || f[c.path] != c.text):
			t.Errorf("%s to %s: got %v (%v), want %s in %s", c.src, c.dest, f, err, c.text, c.path)
		}
	}
}

// TestCopyOut: the same the other way round.
func TestCopyOut(t *testing.T) {
	for _, c := range []struct {
		src, dest, path, text string
		follow                bool
	}{
		{src: "/a", dest: "", path: "a", text: "one"},
		{src: "a", dest: "/x", path: "x", text: "one"},
		{src: "/d", dest: "", path: "d/b", text: "two"},
		{src: "/d", dest: "/new", path: "new/b", text: "two"},
		{src: "/link", dest: "", path: "link", text: "one", follow: true},
		{src: "/a", dest: "/new/", text: "cannot copy"},
		{src: "/nosuch", dest: "", text: "no such file"},
	} {
		dir := t.TempDir()
		f := files{"/a": "one", "/d": "/", "/d/b": "two", "/link": "->a"}
		err := copyOut(t.Context(), f, "id", c.src, dir+c.dest, c.follow, nil)
		got, _ := os.ReadFile(filepath.Join(dir, c.path))
		switch {
		case c.path == "" && (err == nil || !strings.Contains(err.Error(), c.text)):
			t.Errorf("%s to %s: got %v, want an error with %q", c.src, c.dest, err, c.text)
		case c.path != "" && (err != nil || string(got) != c.text):
			t.Errorf("%s to %s: got %q (%v), want %s in %s", c.src, c.dest, got, err, c.text, c.path)
		}
	}
	var out bytes.Buffer
	if err := copyOut(t.Context(), files{"/a": "one"}, "id", "/a", "-", false, &out); err != nil {
		t.Fatal(err)
	}
	if h, err := tar.NewReader(&out).Next(); err != nil || h.Name != "a" {
		t.Errorf("the stream: got %v (%v)", h, err)
	}
}
