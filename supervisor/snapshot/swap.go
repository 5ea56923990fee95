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

// A volume is restored beside its current content. The old content is deleted only when the new one is complete and in
// place. Every step can be interrupted and repeated:
//
//	.lyandev-restore.part   being filled; the old content is untouched
//	.lyandev-restore        complete and synced to disk: the swap can begin
//	.lyandev-old            the old content is being moved into it, entry by entry
//	.lyandev-gone           the old content, all moved; the new content is being moved to the root, entry by entry
//	(.lyandev-gone alone)   the new content is in place; the old content is being deleted

// Fill copies a complete copy into a volume, beside its current content, and verifies every file's checksum. An empty src
// prepares empty content. sum, if not "", is the expected checksum of the manifest. lead removes the replica role from the
// Redis configuration in the copy.
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
		if err := makeMaster(part); err != nil {
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
		return Copied{}, fmt.Errorf("cannot use the copy: its manifest has checksum %s, expected %s", have, sum)
	}
	for _, e := range m.Entries {
		path := filepath.FromSlash(e.Path)
		if !filepath.IsLocal(path) {
			return Copied{}, fmt.Errorf("cannot use the copy: its manifest has the path %q, which is outside the volume", e.Path)
		}
		wanted := e
		if err := copyEntry(filepath.Join(src, dataDir, path), filepath.Join(part, path), &e); err != nil {
			return Copied{}, fmt.Errorf("cannot restore %s: %w", e.Path, err)
		}
		if e.Mode.IsRegular() && (e.CRC != wanted.CRC || e.Size != wanted.Size) {
			return Copied{}, fmt.Errorf("cannot use the copy: %s is corrupt (%d bytes, checksum %08x; expected %d bytes, %08x)",
				e.Path, e.Size, e.CRC, wanted.Size, wanted.CRC)
		}
	}
	for i := len(m.Entries) - 1; i >= 0; i-- {
		if e := m.Entries[i]; e.Mode.IsDir() {
			if err := setMetadata(filepath.Join(part, filepath.FromSlash(e.Path)), e); err != nil {
				return Copied{}, fmt.Errorf("cannot restore %s: %w", e.Path, err)
			}
		}
	}
	return Copied{Files: m.Files(), Bytes: m.Bytes(), Sum: have}, nil
}

// dropRole removes the replicaof and slaveof lines from a Redis configuration file. A missing file is no error.
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
	return os.WriteFile(path, out, info.Mode()) // written in place, so that the owner stays
}

// Abandon deletes content that Fill copied. It is an error if the swap has already begun.
func Abandon(dst string) error {
	for _, name := range []string{newPartDir, newDir} {
		if name == newDir && (exists(dst, oldDir) || exists(dst, goneDir)) {
			return fmt.Errorf("cannot abandon the restore: the old content is already being replaced; restore again to finish it")
		}
		if err := os.RemoveAll(filepath.Join(dst, name)); err != nil {
			return fmt.Errorf("cannot remove an unfinished copy: %w", err)
		}
	}
	return nil
}

// Swap replaces the old content by the complete new one. It can be retried until it succeeds; without new content it does
// nothing.
func Swap(dst string) error {
	if err := swap(dst); err != nil {
		return fmt.Errorf("cannot move the restored content into place: %w", err)
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

// takeOver moves the new content to the root of the volume, and sets the root's owner and mode to those of the copy.
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

// moveAll moves everything in a directory except the names in reservedNames.
func moveAll(from, to string) error {
	list, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, d := range list {
		if slices.Contains(reservedNames, d.Name()) {
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
