// Package assets embeds files in the binary: the build contexts of lyandev's images, the demo application and the examples. To build
// or to run them, write them to a directory with [WriteTo].
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

// The directories are embedded without the all: prefix, which excludes names with a leading dot or underscore, such as
// __pycache__ and .pytest_cache; required files with such names are listed one by one.
//
//go:embed images/mariadb images/redis images/memcached
//go:embed demo demo/.dockerignore
//go:embed examples
var embedded embed.FS

// Images contains one directory per image, each with its Dockerfile: mariadb, redis, memcached.
func Images() fs.FS { return directory("images") }

// Demo contains the demo application, with its Dockerfile at the root.
func Demo() fs.FS { return directory("demo") }

// Examples contains one directory per example of `lyandev examples`, each with a README.md. That of lyanna has a copy of the
// repository's lyanna.dev.yaml (go:embed cannot reach it); the demo application and the images that it builds are Demo and Images.
func Examples() fs.FS { return directory("examples") }

// directory returns one embedded directory. It panics if the directory is not embedded, which is a programming error.
func directory(name string) fs.FS {
	sub, err := fs.Sub(embedded, name)
	if err != nil {
		panic(fmt.Sprintf("assets: no directory %s: %v", name, err))
	}
	return sub
}

// WriteTo writes the files of fsys to dir, which is created if it is missing. Embedded files have no mode, so files that start
// with "#!" get 0755 and all others 0644.
//
// Files with the same content and mode are not written, so their modification time is kept; other files are replaced
// atomically. Additional files in dir are left unchanged. It stops at the first error, which names the file.
func WriteTo(fsys fs.FS, dir string) error {
	return fs.WalkDir(fsys, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("cannot read embedded %s: %w", path, err)
		}
		target := filepath.Join(dir, filepath.FromSlash(path))
		if entry.IsDir() {
			if err := os.MkdirAll(target, 0o755); err != nil {
				return fmt.Errorf("cannot create directory %s for embedded files: %w", target, err)
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

// modeOf returns the mode for a file with this content.
func modeOf(content []byte) fs.FileMode {
	if bytes.HasPrefix(content, []byte("#!")) {
		return 0o755
	}
	return 0o644
}

// writeFile replaces target atomically with content and mode, unless it already has both.
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

// isWritten reports whether target is a regular file with that content and mode; false if it cannot be read.
func isWritten(target string, content []byte, mode fs.FileMode) bool {
	info, err := os.Lstat(target)
	if err != nil || info.Mode() != mode || info.Size() != int64(len(content)) {
		return false
	}
	existing, err := os.ReadFile(target)
	return err == nil && bytes.Equal(existing, content)
}
