package shim

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// maxLinks limits the symbolic links of one path, as the kernel does.
const maxLinks = 40

var errTooManyLinks = errors.New("too many levels of symbolic links")

// follow returns where a directory really is: the path without symbolic links, as a process sees it whose root is the
// directory root. No link leads out of root: an absolute one counts from it, and its parent is itself. rest is the part of
// the path, after links, that is not there yet; "." if all of it is.
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
