package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"time"
)

const (
	// smallFile: files up to this size are compared in every pass, because writes through a memory mapping need not update the
	// modification time at once.
	smallFile = 256 << 10
	// clockGrain is the granularity of file times. A file modified less than this before it was examined may change again
	// without a new modification time, so it is compared again.
	clockGrain = 50 * time.Millisecond
)

// Copied is the result of one pass. The process in the container sends it to the supervisor as JSON.
type Copied struct {
	Files int   `json:"files"`
	Bytes int64 `json:"bytes"`
	// ChangedFiles and ChangedBytes are the files that this pass read, because they might differ from their copies.
	ChangedFiles int   `json:"changedFiles"`
	ChangedBytes int64 `json:"changedBytes"`
	// Written is how many bytes did differ.
	Written int64 `json:"written"`
	// Sum is the manifest's checksum, set by Seal. Product and Version are those of identity.
	Sum     string `json:"sum,omitempty"`
	Product string `json:"product,omitempty"`
	Version string `json:"version,omitempty"`
}

// Copy updates the copy of src in the volume dst: it copies what has changed since the last pass and removes what is gone.
// The first pass copies everything while the service runs. The last pass, with the service paused, makes the copy consistent
// and writes little: of a file that has changed, only the blocks that differ. Nothing is synced to disk: see Sync. It blocks
// until the pass is done or ctx ends.
func Copy(ctx context.Context, src, dst string) (done Copied, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("cannot copy: %w", err)
		}
	}()
	from, err := os.OpenRoot(src)
	if err != nil {
		return done, err
	}
	defer from.Close()
	to, err := os.OpenRoot(dst)
	if err != nil {
		return done, err
	}
	defer to.Close()
	part, err := makeRoot(to, partDir)
	if err != nil {
		return done, err
	}
	defer part.Close()
	last, _, err := readManifest(to, stateFile)
	if err != nil {
		last = &Manifest{}
	}
	all, err := list(from)
	if err != nil {
		return done, err
	}
	next := &Manifest{}
	if next.Entries, err = pass(ctx, from, part, last, all, &done); err != nil {
		return done, err
	}
	if _, err := writeManifest(to, stateFile, next); err != nil {
		return done, err
	}
	if err := removeGone(part, last, next); err != nil {
		return done, err
	}
	done.Files, done.Bytes = next.Files(), next.Bytes()
	done.Product, done.Version = identity(from)
	return done, nil
}

// pass brings the copies of all entries up to date, and returns the entries that did not vanish meanwhile.
func pass(ctx context.Context, from, part *os.Root, last *Manifest, all []Entry, done *Copied) ([]Entry, error) {
	todo := &copies{from: from, to: part}
	for i := range all {
		e := &all[i]
		old := last.Find(e.Path)
		if old != nil && !changed(*old, *e) {
			continue
		}
		if !e.Mode.IsRegular() {
			if err := copyOther(part, e); err != nil {
				return nil, err
			}
			continue
		}
		todo.add(e, old != nil && old.Mode.IsRegular() && old.Hard == "" && e.Hard == "")
		done.ChangedFiles, done.ChangedBytes = done.ChangedFiles+1, done.ChangedBytes+e.Size
	}
	if err := todo.run(ctx); err != nil {
		return nil, err
	}
	done.Written += todo.written.Load()
	return slices.DeleteFunc(all, func(e Entry) bool { return todo.vanished(e.Path) }), nil
}

// changed reports whether a file may differ from its copy.
func changed(old, now Entry) bool {
	if old.Mode != now.Mode || old.UID != now.UID || old.GID != now.GID || old.Size != now.Size || old.Link != now.Link || old.Hard != now.Hard {
		return true
	}
	if !now.Mode.IsRegular() {
		return now.MTime != old.MTime
	}
	return now.MTime != old.MTime || now.Size <= smallFile || old.Seen-old.MTime < int64(clockGrain)
}

// list returns every file, directory and symbolic link of a volume, parents first. Sockets, pipes and files that vanish
// meanwhile are left out.
func list(root *os.Root) ([]Entry, error) {
	var all []Entry
	links := map[inode]string{}
	err := fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && name != "." {
			return nil
		}
		if err != nil {
			return err
		}
		if slices.Contains(reservedNames, name) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		e, err := examine(root, name, links)
		switch {
		case errors.Is(err, fs.ErrNotExist) && name != ".":
			return nil
		case err != nil:
			return err
		case e.Mode.IsDir(), e.Mode.IsRegular(), e.Mode&fs.ModeSymlink != 0:
			all = append(all, e)
		}
		return nil
	})
	return all, err
}

// examine describes a file. links holds the first path of each file that has several.
func examine(root *os.Root, name string, links map[inode]string) (e Entry, err error) {
	seen := time.Now().UnixNano()
	info, err := root.Lstat(name)
	if err != nil {
		return e, err
	}
	e = Entry{Path: name, Mode: info.Mode(), MTime: info.ModTime().UnixNano(), Seen: seen}
	e.UID, e.GID = ownerOf(info)
	switch {
	case e.Mode.IsRegular():
		e.Size = info.Size()
		id, several := inodeOf(info)
		if !several {
			break
		}
		if first, ok := links[id]; ok {
			e.Hard = first
		} else {
			links[id] = name
		}
	case e.Mode&fs.ModeSymlink != 0:
		e.Link, err = root.Readlink(name)
	}
	return e, err
}

// copyOther copies a directory or a symbolic link with owner, mode and time.
func copyOther(to *os.Root, e *Entry) error {
	if e.Mode.IsDir() {
		if err := makeDir(to, e.Path); err != nil {
			return err
		}
		return setMetadata(to, *e)
	}
	if err := to.RemoveAll(e.Path); err != nil {
		return err
	}
	if err := to.Symlink(e.Link, e.Path); err != nil {
		return err
	}
	return setMetadata(to, *e)
}

// makeDir makes a directory, replacing anything else at the path.
func makeDir(to *os.Root, name string) error {
	if info, err := to.Lstat(name); err == nil && !info.IsDir() {
		if err := to.Remove(name); err != nil {
			return err
		}
	}
	return to.MkdirAll(name, 0o700)
}

// makeRoot makes a directory and opens it.
func makeRoot(in *os.Root, name string) (*os.Root, error) {
	if err := in.MkdirAll(name, 0o700); err != nil {
		return nil, err
	}
	return in.OpenRoot(name)
}

// setMetadata sets owner, mode and modification time.
func setMetadata(root *os.Root, e Entry) error {
	if err := root.Lchown(e.Path, e.UID, e.GID); err != nil {
		return err
	}
	if e.Mode&fs.ModeSymlink != 0 {
		return nil
	}
	if err := root.Chmod(e.Path, e.Mode); err != nil {
		return err
	}
	at := time.Unix(0, e.MTime)
	return root.Chtimes(e.Path, at, at)
}

// setDirs sets owner, mode and time of all directories again: copying files changed their times.
func setDirs(root *os.Root, all []Entry) error {
	for _, e := range slices.Backward(all) {
		if !e.Mode.IsDir() {
			continue
		}
		if err := setMetadata(root, e); err != nil {
			return err
		}
	}
	return nil
}

// removeGone removes the copies of files that the last pass copied and this one did not find. What is below a directory that is
// gone, or that something else has replaced, goes with it; a path through it could now lead elsewhere.
func removeGone(part *os.Root, last, next *Manifest) error {
	for _, e := range slices.Backward(last.Entries) {
		if dir := next.Find(path.Dir(e.Path)); next.Find(e.Path) != nil || dir == nil || !dir.Mode.IsDir() {
			continue
		}
		if err := part.RemoveAll(e.Path); err != nil {
			return err
		}
	}
	return nil
}

// Seal completes the copy: it computes the checksums, gives the files their final name and writes the manifest. Nothing is
// synced to disk, see Sync; without the marker volume, which is created after that, the copy is not used.
func Seal(ctx context.Context, dst string) (done Copied, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("cannot complete the copy: %w", err)
		}
	}()
	to, err := os.OpenRoot(dst)
	if err != nil {
		return done, err
	}
	defer to.Close()
	m, _, err := readManifest(to, stateFile)
	if err != nil {
		return done, err
	}
	part, err := to.OpenRoot(partDir)
	if err != nil {
		return done, err
	}
	defer part.Close()
	for i := range m.Entries {
		m.Entries[i].Seen = 0
	}
	if err := sumAll(ctx, part, m.Entries); err != nil {
		return done, err
	}
	if err := setDirs(part, m.Entries); err != nil {
		return done, err
	}
	if err := to.Rename(partDir, dataDir); err != nil {
		return done, err
	}
	s, err := writeManifest(to, manifestFile, m)
	if err != nil {
		return done, err
	}
	done = Copied{Files: m.Files(), Bytes: m.Bytes(), Sum: s}
	done.Product, done.Version = identity(part)
	return done, to.Remove(stateFile)
}

// local reports whether an entry's paths are inside the volume.
func (e *Entry) local() bool {
	return fs.ValidPath(e.Path) && (e.Hard == "" || fs.ValidPath(e.Hard)) && path.Clean(e.Path) == e.Path
}
