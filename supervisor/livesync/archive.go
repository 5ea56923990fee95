package livesync

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/shim"
)

// Copier is the part of the engine that Lay needs.
type Copier interface {
	// CopyOver unpacks an archive; entries replace existing files and directories.
	CopyOver(ctx context.Context, id, dir string, tar io.Reader) error
	CopyFrom(ctx context.Context, id, path string) (io.ReadCloser, error)
}

// Lay writes and removes files of a created container, which must not be running, as the items specify. New files belong to
// root, like those of COPY.
//
// Docker's archive call cannot remove a file: entries named .wh.NAME, which remove files in image layers, become files of that
// name (20.10). But it can replace a directory by a file. So the directory of a removed file is read, replaced by an empty
// file, and written again without the removed file.
func Lay(ctx context.Context, c Copier, container string, items []Item) error {
	gone := map[string]map[string]bool{}
	var present []sourced
	for _, i := range items {
		if err := checkItem(i); err != nil {
			return err
		}
		f, ok := look(i)
		switch {
		case !ok:
		case f.Kind == shim.Gone:
			dir, name := path.Split(i.Target())
			dir = path.Clean(dir)
			if gone[dir] == nil {
				gone[dir] = map[string]bool{}
			}
			gone[dir][name] = true
		case f.Kind == shim.Directory && exists(ctx, c, container, i.Target()):
			// An entry would change its owner, and replace a link to a directory.
		default:
			present = append(present, sourced{f, i.Source})
		}
	}
	var errs []error
	// Outer directories first: the inner ones may be removed with them.
	for _, dir := range slices.Sorted(maps.Keys(gone)) {
		if err := removeFrom(ctx, c, container, dir, gone[dir]); err != nil {
			errs = append(errs, err)
		}
	}
	if len(present) > 0 {
		r, w := io.Pipe()
		go func() { _ = w.CloseWithError(writeArchive(w, present)) }()
		err := c.CopyOver(ctx, container, "/", r)
		_ = r.Close()
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// maxRelaid bounds the archive of a directory from which files are removed, in bytes.
const maxRelaid = 256 << 20

// exists reports whether a container has a file, directory or link at a path.
func exists(ctx context.Context, c Copier, container, target string) bool {
	rc, err := c.CopyFrom(ctx, container, target)
	if err != nil {
		return false
	}
	_ = rc.Close()
	return true
}

// maxLinks bounds the symbolic links followed for one directory.
const maxLinks = 40

// openDirectory reads the archive of a directory, and follows it where it is a symbolic link. real is its path then.
func openDirectory(ctx context.Context, c Copier, container, dir string) (real string, rc io.ReadCloser, err error) {
	for range maxLinks {
		rc, err = c.CopyFrom(ctx, container, dir)
		if err != nil {
			return "", nil, err
		}
		var seen bytes.Buffer
		h, err := tar.NewReader(io.TeeReader(rc, &seen)).Next()
		if err != nil {
			_ = rc.Close()
			return "", nil, fmt.Errorf("cannot read %s of the container: %w", dir, err)
		}
		if h.Typeflag != tar.TypeSymlink {
			return dir, readCloser{io.MultiReader(&seen, rc), rc}, nil
		}
		_ = rc.Close()
		if path.IsAbs(h.Linkname) {
			dir = path.Clean(h.Linkname)
		} else {
			dir = path.Join(path.Dir(dir), h.Linkname)
		}
	}
	return "", nil, fmt.Errorf("cannot read %s of the container: too many levels of symbolic links", dir)
}

type readCloser struct {
	io.Reader
	io.Closer
}

// removeFrom removes names from a directory of a container that is not running.
func removeFrom(ctx context.Context, c Copier, container, dir string, names map[string]bool) error {
	dir, rc, err := openDirectory(ctx, c, container, dir)
	if engine.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer rc.Close()
	kept, removed, err := without(io.LimitReader(rc, maxRelaid), names)
	if err != nil {
		return fmt.Errorf("cannot remove %v from %s: %w", slices.Sorted(maps.Keys(names)), dir, err)
	}
	if !removed {
		return nil
	}
	if dir == "/" {
		return errors.New("cannot remove files from the root directory of a container that is not running")
	}
	return c.CopyOver(ctx, container, path.Dir(dir), bytes.NewReader(kept))
}

// without copies the archive of a directory without the given names, and puts an empty file of the directory's name before it.
// removed reports whether any of the names was in it.
func without(in io.Reader, names map[string]bool) (out []byte, removed bool, err error) {
	var b bytes.Buffer
	w, r := tar.NewWriter(&b), tar.NewReader(in)
	first := true
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, false, err
		}
		if first {
			first = false
			if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: strings.TrimSuffix(h.Name, "/"), Mode: 0o600}); err != nil {
				return nil, false, err
			}
		}
		if _, rest, ok := strings.Cut(h.Name, "/"); ok {
			name, _, _ := strings.Cut(rest, "/")
			if names[name] {
				removed = true
				continue
			}
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, false, err
		}
		if _, err := io.Copy(w, r); err != nil {
			return nil, false, err
		}
	}
	return b.Bytes(), removed, w.Close()
}

// writeArchive writes the files as an archive relative to "/", without entries for their parent directories.
func writeArchive(out io.Writer, files []sourced) error {
	w := tar.NewWriter(out)
	for _, f := range files {
		h := &tar.Header{
			Name: strings.TrimPrefix(path.Join(f.file.Root, f.file.Path), "/"), Mode: int64(f.file.Mode),
			ModTime: time.Unix(0, f.file.ModTime), Size: f.file.Size, Typeflag: tar.TypeReg,
		}
		switch f.file.Kind {
		case shim.Directory:
			h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
		case shim.Symlink:
			h.Typeflag, h.Linkname = tar.TypeSymlink, f.file.Link
		}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if f.file.Size > 0 {
			if err := writeExactly(w, f.source, f.file.Size); err != nil {
				return err
			}
		}
	}
	return w.Close()
}

// BinaryArchive writes an archive with the helper's binary in dir, a path relative to the archive's root. It is for containers
// that do not mount the binary's volume.
func BinaryArchive(w io.Writer, binary, dir string) error {
	in, err := os.Open(binary)
	if err != nil {
		return fmt.Errorf("cannot read lyandev's own binary: %w", err)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return fmt.Errorf("cannot read lyandev's own binary: %w", err)
	}
	t := tar.NewWriter(w)
	if dir != "" {
		if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755}); err != nil {
			return err
		}
	}
	if err := t.WriteHeader(&tar.Header{Name: path.Join(dir, path.Base(shim.Binary)), Mode: 0o755, Size: info.Size()}); err != nil {
		return err
	}
	if _, err := io.Copy(t, in); err != nil {
		return err
	}
	return t.Close()
}
