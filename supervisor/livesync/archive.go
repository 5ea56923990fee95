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

// Copier is what laying files into a container that does not run needs of the engine.
type Copier interface {
	// CopyOver unpacks an archive and lets its entries replace what is there, directories too.
	CopyOver(ctx context.Context, id, dir string, tar io.Reader) error
	CopyFrom(ctx context.Context, id, path string) (io.ReadCloser, error)
}

// Lay makes the files of a created container as the items say, as an archive. Files it makes are root's, as those of
// COPY are.
//
// Docker's archive call cannot remove a file: entries named .wh.NAME, which remove in image layers, become files of that
// name (20.10). But an entry of another kind replaces what is there, if the call allows it. So the directory of a file that has gone is
// read, replaced by an empty file, and laid again without what has gone. Nothing runs yet that could miss it.
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
		default:
			present = append(present, sourced{f, i.Source})
		}
	}
	var errs []error
	// The outer ones first: what is below them may be gone by that.
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

// maxRelaid bounds what is read of a directory that loses files.
const maxRelaid = 256 << 20

// removeFrom takes names out of a directory of a container that does not run.
func removeFrom(ctx context.Context, c Copier, container, dir string, names map[string]bool) error {
	rc, err := c.CopyFrom(ctx, container, dir)
	if engine.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer rc.Close()
	kept, removed, err := without(io.LimitReader(rc, maxRelaid), names)
	if err != nil {
		return fmt.Errorf("cannot take %v out of %s: %w", slices.Sorted(maps.Keys(names)), dir, err)
	}
	if !removed {
		return nil
	}
	if dir == "/" {
		return errors.New("cannot remove files from the root directory of a container that does not run")
	}
	return c.CopyOver(ctx, container, path.Dir(dir), bytes.NewReader(kept))
}

// without copies the archive of a directory, leaving out the names in it, with an empty file of the directory's name
// before it. removed says whether there was anything to leave out.
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

// writeArchive is the files as an archive of the whole file system, without entries for the directories above them.
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

// BinaryArchive is the helper's binary as an archive, for containers that do not have the volume: it is laid into the
// directory given, whose path is relative to the archive's root.
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
