package enginefake

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// file is one file or directory. Modes are those of tar headers.
type file struct {
	header tar.Header
	data   []byte
}

// tree says where a path of a container lives: below a volume's mount point in the volume, else in the container.
func (e *Engine) tree(c *container, p string) (files map[string]file, rel string) {
	files, rel = c.files, p
	deepest := ""
	for _, m := range c.conf.mounts {
		t := path.Clean(m.Target)
		if m.Volume != "" && len(t) > len(deepest) && (p == t || strings.HasPrefix(p, t+"/")) {
			deepest, files, rel = t, e.volumes[m.Volume].files, path.Join("/", strings.TrimPrefix(p, t))
		}
	}
	return files, rel
}

// isDir says whether a container has a directory.
func (e *Engine) isDir(c *container, dir string) bool {
	if dir == "/" || dir == "/tmp" {
		return true
	}
	for _, m := range c.conf.mounts {
		if path.Clean(m.Target) == dir || strings.HasPrefix(m.Target, dir+"/") {
			return true
		}
	}
	if img := e.findImage(c.imageID); img != nil && slices.Contains(img.Dirs, dir) {
		return true
	}
	files, rel := e.tree(c, dir)
	f, ok := files[rel]
	return ok && f.header.Typeflag == tar.TypeDir
}

// CopyOver implements engine.Containers. Its trees never refuse to replace anything, so it is CopyTo.
func (e *Engine) CopyOver(ctx context.Context, id, dir string, r io.Reader) error {
	return e.copy(ctx, "CopyOver", id, dir, r)
}

// CopyTo implements engine.Containers.
func (e *Engine) CopyTo(ctx context.Context, id, dir string, r io.Reader) error {
	return e.copy(ctx, "CopyTo", id, dir, r)
}

func (e *Engine) copy(ctx context.Context, method, id, dir string, r io.Reader) error {
	var read []file
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return wrap(err, "copy files to %s of container %s", dir, short(id))
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			return wrap(err, "copy files to %s of container %s", dir, short(id))
		}
		read = append(read, file{*h, data})
	}
	err := e.call(ctx, method, id, func() error {
		c, err := e.need(id)
		if err != nil {
			return err
		}
		dir = path.Clean("/" + dir)
		if !e.isDir(c, dir) {
			return errNotFound("Could not find the file %s in container %s", dir, id)
		}
		for _, f := range read {
			full := path.Join(dir, f.header.Name)
			files, rel := e.tree(c, full)
			f.header.Name = path.Base(full)
			files[rel] = f
		}
		return nil
	})
	return wrap(err, "copy files to %s of container %s", dir, short(id))
}

// CopyFrom implements engine.Containers.
func (e *Engine) CopyFrom(ctx context.Context, id, p string) (io.ReadCloser, error) {
	var buf bytes.Buffer
	err := e.call(ctx, "CopyFrom", id, func() error {
		c, err := e.need(id)
		if err != nil {
			return err
		}
		p = path.Clean("/" + p)
		files, rel := e.tree(c, p)
		f, ok := files[rel]
		if !ok && !e.isDir(c, p) {
			return errNotFound("Could not find the file %s in container %s", p, id)
		}
		if !ok {
			f = file{header: tar.Header{Typeflag: tar.TypeDir, Name: path.Base(p), Mode: 0o755}}
		}
		return writeTree(&buf, f, files, rel)
	})
	if err != nil {
		return nil, wrap(err, "copy %s from container %s", p, short(id))
	}
	return io.NopCloser(&buf), nil
}

// writeTree writes a file, or a directory with all below it, as Docker does: names begin with the base name.
func writeTree(w io.Writer, root file, files map[string]file, rel string) error {
	tw := tar.NewWriter(w)
	if err := writeEntry(tw, root, path.Base(root.header.Name)); err != nil {
		return err
	}
	for _, p := range slices.Sorted(maps.Keys(files)) {
		below, ok := strings.CutPrefix(p, strings.TrimSuffix(rel, "/")+"/")
		if !ok || p == rel {
			continue
		}
		if err := writeEntry(tw, files[p], path.Join(path.Base(root.header.Name), below)); err != nil {
			return err
		}
	}
	return tw.Close()
}

func writeEntry(tw *tar.Writer, f file, name string) error {
	h := f.header
	h.Name, h.Size = name, int64(len(f.data))
	if h.Typeflag == tar.TypeDir {
		h.Name += "/"
	}
	if h.ModTime.IsZero() {
		h.ModTime = time.Unix(0, 0)
	}
	if err := tw.WriteHeader(&h); err != nil {
		return err
	}
	_, err := tw.Write(f.data)
	return err
}

// File reads a file of a container (by name or ID) or of the volume mounted there. For assertions.
func (e *Engine) File(ref, p string) ([]byte, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.find(ref)
	if c == nil {
		return nil, false
	}
	files, rel := e.tree(c, path.Clean("/"+p))
	f, ok := files[rel]
	return f.data, ok
}
