package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
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
// Redis configuration in the copy. It blocks until the copy is synced to disk or ctx ends.
func Fill(ctx context.Context, src, dst, sum string, lead bool) (Copied, error) {
	if err := Abandon(dst); err != nil {
		return Copied{}, err
	}
	to, err := os.OpenRoot(dst)
	if err != nil {
		return Copied{}, fmt.Errorf("cannot fill the volume: %w", err)
	}
	defer to.Close()
	done, err := fillPart(ctx, src, to, sum, lead)
	if err != nil {
		return done, errors.Join(err, Abandon(dst))
	}
	if err := syncTrees(to); err != nil {
		return done, fmt.Errorf("cannot fill the volume: %w", err)
	}
	if err := to.Rename(newPartDir, newDir); err != nil {
		return done, fmt.Errorf("cannot fill the volume: %w", err)
	}
	return done, syncTrees(to)
}

func fillPart(ctx context.Context, src string, to *os.Root, sum string, lead bool) (done Copied, err error) {
	part, err := makeRoot(to, newPartDir)
	if err != nil {
		return done, fmt.Errorf("cannot fill the volume: %w", err)
	}
	defer part.Close()
	if src != "" {
		if done, err = fill(ctx, src, part, sum); err != nil {
			return done, err
		}
	}
	if lead {
		err = makeMaster(part)
	}
	return done, err
}

func fill(ctx context.Context, src string, part *os.Root, sum string) (Copied, error) {
	from, err := os.OpenRoot(src)
	if err != nil {
		return Copied{}, fmt.Errorf("cannot open the copy: %w", err)
	}
	defer from.Close()
	m, have, err := readManifest(from, manifestFile)
	if err != nil {
		return Copied{}, err
	}
	if sum != "" && sum != have {
		return Copied{}, fmt.Errorf("cannot use the copy: its manifest has checksum %s, expected %s", have, sum)
	}
	data, err := from.OpenRoot(dataDir)
	if err != nil {
		return Copied{}, fmt.Errorf("cannot open the copy: %w", err)
	}
	defer data.Close()
	if err := fillFrom(ctx, data, part, m.Entries); err != nil {
		return Copied{}, err
	}
	return Copied{Files: m.Files(), Bytes: m.Bytes(), Sum: have}, nil
}

// fillFrom copies the entries of a manifest and verifies what was copied.
func fillFrom(ctx context.Context, data, part *os.Root, wanted []Entry) error {
	all := slices.Clone(wanted)
	files := &copies{from: data, to: part}
	for i := range all {
		e := &all[i]
		if !e.local() {
			return fmt.Errorf("cannot use the copy: its manifest has the path %q, which is outside the volume", e.Path)
		}
		if e.Mode.IsRegular() {
			files.add(e, false)
		} else if err := copyOther(part, e); err != nil {
			return fmt.Errorf("cannot restore %s: %w", e.Path, err)
		}
	}
	if err := files.run(ctx); err != nil {
		return fmt.Errorf("cannot restore the files: %w", err)
	}
	for _, e := range all {
		if files.vanished(e.Path) {
			return fmt.Errorf("cannot use the copy: %s is missing", e.Path)
		}
	}
	if err := sumAll(ctx, part, all); err != nil {
		return fmt.Errorf("cannot verify the restored files: %w", err)
	}
	for i, e := range all {
		if was := wanted[i]; e.CRC != was.CRC || e.Size != was.Size {
			return fmt.Errorf("cannot use the copy: %s is corrupt (%d bytes, checksum %08x; expected %d bytes, %08x)",
				e.Path, e.Size, e.CRC, was.Size, was.CRC)
		}
	}
	if err := setDirs(part, all); err != nil {
		return fmt.Errorf("cannot restore the directories: %w", err)
	}
	return nil
}

// dropRole removes the replicaof and slaveof lines from a Redis configuration file. A missing file is no error.
func dropRole(root *os.Root, name string) error {
	b, err := readFile(root, name)
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
	return root.WriteFile(name, out, 0o600) // written in place, so that owner and mode stay
}

// Abandon deletes content that Fill copied. It is an error if the swap has already begun.
func Abandon(dst string) error {
	root, err := os.OpenRoot(dst)
	if err != nil {
		return fmt.Errorf("cannot remove an unfinished copy: %w", err)
	}
	defer root.Close()
	for _, name := range []string{newPartDir, newDir} {
		if name == newDir && (exists(root, oldDir) || exists(root, goneDir)) {
			return fmt.Errorf("cannot abandon the restore: the old content is already being replaced; restore again to finish it")
		}
		if err := root.RemoveAll(name); err != nil {
			return fmt.Errorf("cannot remove an unfinished copy: %w", err)
		}
	}
	return nil
}

// Swap replaces the old content by the complete new one. It can be retried until it succeeds; without new content it does
// nothing.
func Swap(dst string) error {
	root, err := os.OpenRoot(dst)
	if err == nil {
		err = errors.Join(swap(root), root.Close())
	}
	if err != nil {
		return fmt.Errorf("cannot move the restored content into place: %w", err)
	}
	return nil
}

func swap(dst *os.Root) error {
	if exists(dst, newDir) && !exists(dst, goneDir) {
		if err := dst.MkdirAll(oldDir, 0o700); err != nil {
			return err
		}
		if err := moveAll(dst, ".", oldDir); err != nil {
			return err
		}
		if err := dst.Rename(oldDir, goneDir); err != nil {
			return err
		}
		if err := syncTrees(dst); err != nil {
			return err
		}
	}
	if exists(dst, newDir) {
		if err := takeOver(dst); err != nil {
			return err
		}
	}
	return dst.RemoveAll(goneDir)
}

// takeOver moves the new content to the root of the volume, and sets the root's owner and mode to those of the copy.
func takeOver(dst *os.Root) error {
	info, err := dst.Stat(newDir)
	if err != nil {
		return err
	}
	content, err := readDir(dst, newDir)
	if err != nil {
		return err
	}
	if err := moveAll(dst, newDir, "."); err != nil {
		return err
	}
	if len(content) > 0 {
		uid, gid := ownerOf(info)
		if err := errors.Join(dst.Lchown(".", uid, gid), dst.Chmod(".", info.Mode())); err != nil {
			return err
		}
	}
	if err := syncTrees(dst); err != nil {
		return err
	}
	return dst.Remove(newDir)
}

// readDir returns the names in a directory of a volume.
func readDir(root *os.Root, dir string) ([]string, error) {
	f, err := root.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

// moveAll moves everything in a directory except the names in reservedNames.
func moveAll(dst *os.Root, from, to string) error {
	names, err := readDir(dst, from)
	if err != nil {
		return err
	}
	for _, name := range names {
		if slices.Contains(reservedNames, name) {
			continue
		}
		if err := dst.Rename(path.Join(from, name), path.Join(to, name)); err != nil {
			return err
		}
	}
	return syncTrees(dst)
}

func exists(root *os.Root, name string) bool {
	_, err := root.Lstat(name)
	return !errors.Is(err, fs.ErrNotExist)
}
