package snapshot

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	block = 1 << 18
	// smallFile: files up to this size are copied in every pass, because writes through a memory mapping need not update the
	// modification time at once.
	smallFile = 256 << 10
	// clockGrain is the granularity of file times. A file modified less than this before it was examined may change again
	// without a new modification time, so it is copied again.
	clockGrain = 50 * time.Millisecond
)

// Copied is the result of one pass. The process in the container sends it to the supervisor as JSON.
type Copied struct {
	Files int   `json:"files"`
	Bytes int64 `json:"bytes"`
	// ChangedFiles and ChangedBytes were copied in this pass.
	ChangedFiles int   `json:"changedFiles"`
	ChangedBytes int64 `json:"changedBytes"`
	// Sum is the manifest's checksum, set by Seal. Product and Version are those of Identity.
	Sum     string `json:"sum,omitempty"`
	Product string `json:"product,omitempty"`
	Version string `json:"version,omitempty"`
}

// Copy updates the copy of src in the volume dst: it copies what has changed since the last pass and removes what is gone.
// The first pass copies everything while the service runs. The last pass, with the service paused, makes the copy consistent
// and copies little. Nothing is synced to disk: see Seal.
func Copy(src, dst string) (Copied, error) {
	part := filepath.Join(dst, partDir)
	if err := os.MkdirAll(part, 0o700); err != nil {
		return Copied{}, fmt.Errorf("cannot copy: %w", err)
	}
	last, _, err := readManifest(filepath.Join(dst, stateFile))
	if err != nil {
		last = &Manifest{}
	}
	next := &Manifest{}
	var done Copied
	err = walk(src, func(path string, e Entry) error {
		old := last.Find(e.Path)
		if old == nil || changed(*old, e) {
			if err := copyEntry(path, filepath.Join(part, filepath.FromSlash(e.Path)), &e); err != nil {
				return err
			}
			if e.Mode.IsRegular() {
				done.ChangedFiles, done.ChangedBytes = done.ChangedFiles+1, done.ChangedBytes+e.Size
			}
		} else {
			e.CRC, e.Seen = old.CRC, old.Seen
		}
		next.Entries = append(next.Entries, e)
		return nil
	})
	if err != nil {
		return done, fmt.Errorf("cannot copy: %w", err)
	}
	if _, err := writeManifest(filepath.Join(dst, stateFile), next); err != nil {
		return done, err
	}
	if err := removeGone(part, last, next); err != nil {
		return done, fmt.Errorf("cannot copy: %w", err)
	}
	done.Files, done.Bytes = next.Files(), next.Bytes()
	done.Product, done.Version = Identity(src)
	return done, nil
}

// changed reports whether a file may differ from its copy.
func changed(old, now Entry) bool {
	if old.Mode != now.Mode || old.UID != now.UID || old.GID != now.GID || old.Size != now.Size || old.Link != now.Link {
		return true
	}
	if !now.Mode.IsRegular() {
		return now.MTime != old.MTime
	}
	return now.MTime != old.MTime || now.Size <= smallFile || old.Seen-old.MTime < int64(clockGrain)
}

// walk calls f for every file, directory and symbolic link of a volume, parents first. Sockets, pipes and files that vanish
// during the walk are skipped.
func walk(root string, f func(path string, e Entry) error) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path != root {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if slices.Contains(reservedNames, rel) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		seen := time.Now().UnixNano()
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		e := Entry{Path: filepath.ToSlash(rel), Mode: info.Mode(), MTime: info.ModTime().UnixNano(), Seen: seen}
		e.UID, e.GID = ownerOf(info)
		switch {
		case e.Mode.IsRegular():
			e.Size = info.Size()
		case e.Mode&fs.ModeSymlink != 0:
			if e.Link, err = os.Readlink(path); err != nil {
				return err
			}
		case !e.Mode.IsDir():
			return nil
		}
		err = f(path, e)
		if errors.Is(err, fs.ErrNotExist) && path != root {
			return nil
		}
		return err
	})
}

// copyEntry copies one entry with owner, mode and time, and sets its checksum and the number of bytes copied.
func copyEntry(from, to string, e *Entry) error {
	var err error
	switch {
	case e.Mode.IsDir():
		err = makeDir(to)
	case e.Mode&fs.ModeSymlink != 0:
		if err = os.RemoveAll(to); err == nil {
			err = os.Symlink(e.Link, to)
		}
	default:
		err = copyFile(from, to, e)
	}
	if err != nil {
		return err
	}
	return setMetadata(to, *e)
}

// makeDir makes a directory, replacing anything else at the path.
func makeDir(to string) error {
	if info, err := os.Lstat(to); err == nil && !info.IsDir() {
		if err := os.Remove(to); err != nil {
			return err
		}
	}
	return os.MkdirAll(to, 0o700)
}

// setMetadata sets owner, mode and modification time.
func setMetadata(path string, e Entry) error {
	if err := os.Lchown(path, e.UID, e.GID); err != nil {
		return err
	}
	if e.Mode&fs.ModeSymlink != 0 {
		return nil
	}
	if err := os.Chmod(path, e.Mode); err != nil {
		return err
	}
	at := time.Unix(0, e.MTime)
	return os.Chtimes(path, at, at)
}

// copyFile copies the contents of a file; blocks of zeros become holes.
func copyFile(from, to string, e *Entry) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	if info, err := os.Lstat(to); err == nil && !info.Mode().IsRegular() {
		if err := os.RemoveAll(to); err != nil {
			return err
		}
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	e.Size, e.CRC = 0, 0
	buf := make([]byte, block)
	for {
		n, err := io.ReadFull(in, buf)
		if n > 0 {
			e.CRC = crc32.Update(e.CRC, castagnoli, buf[:n])
			if !zeros(buf[:n]) {
				if _, err := out.WriteAt(buf[:n], e.Size); err != nil {
					return err
				}
			}
			e.Size += int64(n)
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return out.Truncate(e.Size)
		}
		if err != nil {
			return err
		}
	}
}

var zeroBlock [block]byte

func zeros(b []byte) bool { return bytes.Equal(b, zeroBlock[:len(b)]) }

// removeGone removes the copies of files that the last pass copied and this one did not find, children first.
func removeGone(part string, last, next *Manifest) error {
	for i := len(last.Entries) - 1; i >= 0; i-- {
		e := last.Entries[i]
		if next.Find(e.Path) != nil {
			continue
		}
		if err := os.RemoveAll(filepath.Join(part, filepath.FromSlash(e.Path))); err != nil {
			return err
		}
	}
	return nil
}

// Seal completes the copy and syncs it to disk: first the files, then their final name, then the manifest, which marks the
// copy as complete.
func Seal(dst string) (Copied, error) {
	m, _, err := readManifest(filepath.Join(dst, stateFile))
	if err != nil {
		return Copied{}, err
	}
	for i := range m.Entries {
		m.Entries[i].Seen = 0
	}
	// Copying files changed the times of their directories: set them again.
	for i := len(m.Entries) - 1; i >= 0; i-- {
		if e := m.Entries[i]; e.Mode.IsDir() {
			if err := setMetadata(filepath.Join(dst, partDir, filepath.FromSlash(e.Path)), e); err != nil {
				return Copied{}, fmt.Errorf("cannot complete the copy: %w", err)
			}
		}
	}
	if err := syncTree(dst); err != nil {
		return Copied{}, fmt.Errorf("cannot complete the copy: %w", err)
	}
	if err := os.Rename(filepath.Join(dst, partDir), filepath.Join(dst, dataDir)); err != nil {
		return Copied{}, fmt.Errorf("cannot complete the copy: %w", err)
	}
	s, err := writeManifest(filepath.Join(dst, manifestFile), m)
	if err != nil {
		return Copied{}, err
	}
	err = errors.Join(os.Remove(filepath.Join(dst, stateFile)), syncTree(dst))
	done := Copied{Files: m.Files(), Bytes: m.Bytes(), Sum: s}
	done.Product, done.Version = Identity(filepath.Join(dst, dataDir))
	return done, err
}
