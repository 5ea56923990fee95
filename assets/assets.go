// Package assets holds the files that travel inside the binary: the sources of our images and the demo application.
//
// Nothing here runs them. Whoever builds lays them out on disk with [WriteTo] and names that directory as the build context.
package assets

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Directories are named without the all: prefix, so what tools leave behind (__pycache__, .pytest_cache) stays out; files with
// such names that belong are named one by one.
//
//go:embed images/mariadb images/redis images/memcached
//go:embed demo demo/.dockerignore
var embedded embed.FS

// Images is a directory an image, each with its Dockerfile: mariadb, redis, memcached.
func Images() fs.FS { return room("images") }

// Demo is the demo application with its Dockerfile at the root.
func Demo() fs.FS { return room("demo") }

// room is one directory of what is embedded. It panics if there is none, which only an edit of this file can cause.
func room(name string) fs.FS {
	sub, err := fs.Sub(embedded, name)
	if err != nil {
		panic(fmt.Sprintf("assets: no directory %s: %v", name, err))
	}
	return sub
}

// WriteTo lays the files of fsys out below dir, which is made if it is missing. Embedding loses modes, so files that begin
// with "#!" get 0755 and all others 0644.
//
// A file whose content and mode are right already is not touched, so its time of change stays and a build sees nothing new; any
// other is replaced in one step, never seen half-written. Files in dir that fsys does not have are left alone.
//
// Errors name the file; the first one ends the work.
func WriteTo(fsys fs.FS, dir string) error {
	return fs.WalkDir(fsys, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("cannot read embedded %s: %w", path, err)
		}
		target := filepath.Join(dir, filepath.FromSlash(path))
		if entry.IsDir() {
			if err := os.MkdirAll(target, 0o755); err != nil {
				return fmt.Errorf("cannot make directory %s for embedded files: %w", target, err)
			}
			return nil
		}
		content, err := fs.ReadFile(fsys, path)
		if err != nil {
			return fmt.Errorf("cannot read embedded %s: %w", path, err)
		}
		if err := writeFile(target, content, modeOf(content)); err != nil {
			return fmt.Errorf("cannot write embedded %s to %s: %w", path, target, err)
		}
		return nil
	})
}

// modeOf is the mode that a file of this content gets.
func modeOf(content []byte) fs.FileMode {
	if bytes.HasPrefix(content, []byte("#!")) {
		return 0o755
	}
	return 0o644
}

// writeFile makes target hold content with that mode, by renaming a finished file over it, unless it does already.
func writeFile(target string, content []byte, mode fs.FileMode) (err error) {
	if isWritten(target, content, mode) {
		return nil
	}
	file, err := os.CreateTemp(filepath.Dir(target), ".write-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	_, err = file.Write(content)
	if err = errors.Join(err, file.Chmod(mode), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), target)
}

// isWritten tells whether target is a regular file with that content and mode. What cannot be read counts as not written.
func isWritten(target string, content []byte, mode fs.FileMode) bool {
	info, err := os.Lstat(target)
	if err != nil || info.Mode() != mode || info.Size() != int64(len(content)) {
		return false
	}
	existing, err := os.ReadFile(target)
	return err == nil && bytes.Equal(existing, content)
}
