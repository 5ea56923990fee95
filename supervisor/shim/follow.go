package shim

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// maxLinks bounds the symbolic links followed for one path, as in the kernel.
const maxLinks = 40

var errTooManyLinks = errors.New("too many levels of symbolic links")

// follow resolves the symbolic links of a directory path as a process with root as its root directory would: absolute links are
// relative to root, and ".." of root is root. real is the deepest existing directory, rest the remaining part of the path that
// does not exist yet, "." if all of it exists.
func follow(root, dir string) (real, rest string, err error) {
	real = root
	todo := strings.Split(strings.Trim(path.Clean("/"+filepath.ToSlash(strings.TrimPrefix(dir, root))), "/"), "/")
	for links := 0; len(todo) > 0; {
		name := todo[0]
		if name == "" || name == "." {
			todo = todo[1:]
			continue
		}
		if name == ".." {
			if todo = todo[1:]; real != root {
				real = filepath.Dir(real)
			}
			continue
		}
		next := filepath.Join(real, name)
		info, err := os.Lstat(next)
		if errors.Is(err, fs.ErrNotExist) {
			return real, path.Clean(strings.Join(todo, "/")), nil
		}
		if err != nil {
			return "", "", err
		}
		todo = todo[1:]
		if info.Mode()&fs.ModeSymlink == 0 {
			real = next
			continue
		}
		if links++; links > maxLinks {
			return "", "", &fs.PathError{Op: "follow", Path: dir, Err: errTooManyLinks}
		}
		to, err := os.Readlink(next)
		if err != nil {
			return "", "", err
		}
		if filepath.IsAbs(to) {
			real = root
		}
		todo = append(strings.Split(filepath.ToSlash(to), "/"), todo...)
	}
	return real, ".", nil
}
