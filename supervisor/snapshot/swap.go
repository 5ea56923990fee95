package snapshot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A volume is restored beside what it holds. The old content goes only when the new one is complete and in place, and every
// step can be cut off and done again:
//
//	.lyandev-restore.part   being filled; the old content is untouched
//	.lyandev-restore        complete and durable: from now on the volume is going to have it
//	.lyandev-old            the old content moves in here, entry by entry
//	.lyandev-gone           all of it has; the new content moves to the root, entry by entry
//	(.lyandev-gone alone)   all of it has; the old content is deleted

// Fill copies a sealed snapshot into a volume, beside its content, and checks every byte against the list. An empty src
// prepares an empty volume. sum, if not "", is what the list's checksum must be. lead takes the role of a replica out of a
// Redis's configuration.
func Fill(src, dst, sum string, lead bool) (Copied, error) {
	part := filepath.Join(dst, newPartDir)
	if err := Abandon(dst); err != nil {
		return Copied{}, err
	}
	if err := os.Mkdir(part, 0o700); err != nil {
		return Copied{}, fmt.Errorf("cannot fill the volume: %w", err)
	}
	var done Copied
	if src != "" {
		var err error
		if done, err = fill(src, part, sum); err != nil {
			return done, errors.Join(err, Abandon(dst))
		}
	}
	if lead {
		if err := leadFrom(part); err != nil {
			return done, errors.Join(err, Abandon(dst))
		}
	}
	if err := syncTree(dst); err != nil {
		return done, fmt.Errorf("cannot fill the volume: %w", err)
	}
	if err := os.Rename(part, filepath.Join(dst, newDir)); err != nil {
		return done, fmt.Errorf("cannot fill the volume: %w", err)
	}
	return done, syncTree(dst)
}

func fill(src, part, sum string) (Copied, error) {
	m, have, err := readManifest(filepath.Join(src, manifestFile))
	if err != nil {
		return Copied{}, err
	}
	if sum != "" && sum != have {
		return Copied{}, fmt.Errorf("cannot use the copy: its list has checksum %s, and %s was noted when it was made", have, sum)
	}
	for _, e := range m.Entries {
		path := filepath.FromSlash(e.Path)
		if !filepath.IsLocal(path) {
			return Copied{}, fmt.Errorf("cannot use the copy: its list has the path %q", e.Path)
		}
		wanted := e
		if err := copyEntry(filepath.Join(src, dataDir, path), filepath.Join(part, path), &e); err != nil {
			return Copied{}, fmt.Errorf("cannot restore %s: %w", e.Path, err)
		}
		if e.Mode.IsRegular() && (e.CRC != wanted.CRC || e.Size != wanted.Size) {
			return Copied{}, fmt.Errorf("cannot use the copy: %s has changed since it was made (%d bytes, checksum %08x; noted were %d, %08x)",
				e.Path, e.Size, e.CRC, wanted.Size, wanted.CRC)
		}
	}
	for i := len(m.Entries) - 1; i >= 0; i-- {
		if e := m.Entries[i]; e.Mode.IsDir() {
			if err := dress(filepath.Join(part, filepath.FromSlash(e.Path)), e); err != nil {
				return Copied{}, fmt.Errorf("cannot restore %s: %w", e.Path, err)
			}
		}
	}
	return Copied{Files: m.Files(), Bytes: m.Bytes(), Sum: have}, nil
}

// dropRole takes the lines that name a master out of a Redis's configuration file. No file has no role.
func dropRole(path string) error {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var out []byte
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 0 && (f[0] == "replicaof" || f[0] == "slaveof") {
			continue
		}
		out = append(out, line...)
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, out, info.Mode()) // in place: it keeps its owner
}

// Abandon takes away a content that is not in use yet. What is being swapped already stays.
func Abandon(dst string) error {
	for _, name := range []string{newPartDir, newDir} {
		if name == newDir && (exists(dst, oldDir) || exists(dst, goneDir)) {
			return fmt.Errorf("cannot give up the restore: it has begun to take the place of the old content; finish it")
		}
		if err := os.RemoveAll(filepath.Join(dst, name)); err != nil {
			return fmt.Errorf("cannot remove an unfinished copy: %w", err)
		}
	}
	return nil
}

// Swap puts a complete new content in the place of the old one. It is repeated until it succeeds; with nothing to do it
// does nothing.
func Swap(dst string) error {
	if err := swap(dst); err != nil {
		return fmt.Errorf("cannot put the restored content into place: %w", err)
	}
	return nil
}

func swap(dst string) error {
	if exists(dst, newDir) && !exists(dst, goneDir) {
		if err := os.MkdirAll(filepath.Join(dst, oldDir), 0o700); err != nil {
			return err
		}
		if err := moveAll(dst, filepath.Join(dst, oldDir)); err != nil {
			return err
		}
		if err := rename(dst, oldDir, goneDir); err != nil {
			return err
		}
	}
	if exists(dst, newDir) {
		if err := takeOver(dst); err != nil {
			return err
		}
	}
	return os.RemoveAll(filepath.Join(dst, goneDir))
}

// takeOver moves the new content to the root, and gives the root the owner and mode that the copy's root has.
func takeOver(dst string) error {
	from := filepath.Join(dst, newDir)
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	empty, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	if err := moveAll(from, dst); err != nil {
		return err
	}
	if len(empty) > 0 {
		uid, gid := ownerOf(info)
		if err := errors.Join(os.Lchown(dst, uid, gid), os.Chmod(dst, info.Mode())); err != nil {
			return err
		}
	}
	if err := syncTree(dst); err != nil {
		return err
	}
	return os.Remove(from)
}

// moveAll moves everything in a directory but what is ours.
func moveAll(from, to string) error {
	list, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, d := range list {
		if slices.Contains(ours, d.Name()) {
			continue
		}
		if err := os.Rename(filepath.Join(from, d.Name()), filepath.Join(to, d.Name())); err != nil {
			return err
		}
	}
	return syncTree(to)
}

func rename(dir, from, to string) error {
	if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
		return err
	}
	return syncTree(dir)
}

func exists(dir, name string) bool {
	_, err := os.Lstat(filepath.Join(dir, name))
	return !errors.Is(err, fs.ErrNotExist)
}
