package shim

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"
)

// LayFiles writes and removes files. It reads the contents of regular files from content, one after the other. failed joins the
// errors of single files, the others were written; err means that content ended early. New files get the owner of their
// directory, changed files keep theirs, and each file is replaced atomically.
//
// A symbolic link below a file's root that leads out of the root is an error. See LayIn.
func LayFiles(files []File, content io.Reader) (failed, err error) {
	return (&layer{roots: map[string]*os.Root{}}).layAll(files, content)
}

// LayIn is LayFiles in a container whose root directory is container ("/" in the container itself). Directories that are symbolic
// links are followed anywhere in the container, as `docker cp` does, but not out of it. A directory to create that exists as a
// link to a directory stays a link.
func LayIn(container string, files []File, content io.Reader) (failed, err error) {
	return (&layer{roots: map[string]*os.Root{}, container: container}).layAll(files, content)
}

func (l *layer) layAll(files []File, content io.Reader) (failed, err error) {
	defer l.close()
	var errs []error
	for _, f := range files {
		body := &io.LimitedReader{R: content, N: f.Size}
		if f.Size < 0 {
			return nil, fmt.Errorf("cannot read the contents of %s: its size is %d", f.Path, f.Size)
		}
		if e := l.lay(f, body); e != nil && len(errs) < 20 {
			errs = append(errs, e)
		}
		if _, err := io.Copy(io.Discard, body); err != nil {
			return nil, fmt.Errorf("cannot read the contents of %s: %w", f.Path, err)
		}
		if body.N > 0 {
			return nil, fmt.Errorf("cannot read the contents of %s: %w", f.Path, io.ErrUnexpectedEOF)
		}
	}
	return errors.Join(errs...), nil
}

// layer writes files below roots that no path and no symbolic link can leave (os.Root). It keeps the last directory open,
// because files mostly come grouped by directory, and walking to it for each system call is expensive.
type layer struct {
	roots map[string]*os.Root
	// container is the root directory within which links are followed; "" allows no link out of a file's root.
	container string
	// dir is the open directory at dirPath below the root dirRoot, nil for none; owner is its owner.
	dir              *os.Root
	dirRoot, dirPath string
	owner            fs.FileInfo
}

func (l *layer) close() {
	l.leave()
	for _, r := range l.roots {
		_ = r.Close()
	}
}

// enter opens the directory of a path, and creates it if missing.
func (l *layer) enter(r *os.Root, f File) (*os.Root, error) {
	dir := path.Dir(f.Path)
	if l.dir != nil && l.dirRoot == f.Root && l.dirPath == dir {
		return l.dir, nil
	}
	l.leave()
	if err := parents(r, f.Path); err != nil {
		return nil, err
	}
	d, err := r.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	info, err := d.Stat(".")
	if err != nil {
		_ = d.Close()
		return nil, err
	}
	l.dir, l.dirRoot, l.dirPath, l.owner = d, f.Root, dir, info
	return d, nil
}

// leave closes the open directory, before something other than a file in it changes.
func (l *layer) leave() {
	if l.dir != nil {
		_ = l.dir.Close()
		l.dir = nil
	}
}

func (l *layer) root(dir string, create bool) (*os.Root, error) {
	if r := l.roots[dir]; r != nil {
		return r, nil
	}
	if !filepath.IsAbs(dir) || filepath.Clean(dir) != dir {
		return nil, fmt.Errorf("cannot write below %q: it is not an absolute path", dir)
	}
	if create {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("cannot make %s: %w", dir, err)
		}
	}
	r, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot open %s: %w", dir, err)
	}
	l.roots[dir] = r
	return r, nil
}

func (l *layer) lay(f File, body io.Reader) error {
	if !filepath.IsLocal(f.Path) || f.Path == "." {
		return fmt.Errorf("cannot write %q: it is not below %s", f.Path, f.Root)
	}
	name := path.Join(f.Root, f.Path)
	f, err := l.followed(f)
	if err != nil {
		return fmt.Errorf("cannot sync %s: %w", name, err)
	}
	r, err := l.root(f.Root, f.Kind != Gone)
	if err != nil {
		if f.Kind == Gone && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	switch f.Kind {
	case Gone:
		l.leave()
		err = removeAll(r, f.Path)
	case Directory:
		l.leave()
		err = makeDir(r, f)
	case Symlink, Regular:
		var dir *os.Root
		if dir, err = l.enter(r, f); err == nil {
			err = l.replace(dir, f, body)
		}
	default:
		err = fmt.Errorf("its kind is %q", f.Kind)
	}
	if err != nil {
		return fmt.Errorf("cannot sync %s: %w", name, err)
	}
	return nil
}

// followed returns the file with links in its directory resolved: its root is then the deepest directory that exists.
func (l *layer) followed(f File) (File, error) {
	if l.container == "" || !filepath.IsAbs(f.Root) || filepath.Clean(f.Root) != f.Root {
		return f, nil
	}
	above := path.Join(f.Root, path.Dir(f.Path))
	base := path.Base(f.Path)
	if f.Kind == Directory { // one that is a link to a directory stays a link
		if real, rest, err := follow(l.container, path.Join(f.Root, f.Path)); err == nil && rest == "." && isDir(real) && path.Dir(real) != real {
			above, base = path.Dir(real), path.Base(real)
		}
	}
	real, rest, err := follow(l.container, above)
	if err != nil {
		return f, err
	}
	if path.Join(real, rest, base) == path.Join(f.Root, f.Path) {
		return f, nil
	}
	f.Root, f.Path = real, path.Join(rest, base)
	return f, nil
}

func isDir(name string) bool {
	info, err := os.Lstat(name)
	return err == nil && info.IsDir()
}

func removeAll(r *os.Root, name string) error {
	err := r.RemoveAll(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func makeDir(r *os.Root, f File) error {
	info, err := r.Lstat(f.Path)
	if err == nil && info.IsDir() {
		return r.Chmod(f.Path, fs.FileMode(f.Mode)&fs.ModePerm)
	}
	if err == nil {
		if err := r.Remove(f.Path); err != nil {
			return err
		}
	}
	if err := parents(r, f.Path); err != nil {
		return err
	}
	if err := r.Mkdir(f.Path, 0o755); err != nil {
		return err
	}
	giveToParent(r, f.Path)
	return r.Chmod(f.Path, fs.FileMode(f.Mode)&fs.ModePerm)
}

// parents creates the directories above a path, each with the owner of its parent.
func parents(r *os.Root, name string) error {
	dir := path.Dir(name)
	if dir == "." {
		return nil
	}
	if info, err := r.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	if err := parents(r, dir); err != nil {
		return err
	}
	if err := r.Mkdir(dir, 0o755); err != nil {
		return err
	}
	giveToParent(r, dir)
	return nil
}

// sequence makes temporary names unique.
var sequence atomic.Uint64

// replace writes a file or link under a temporary name in its directory and renames it. A directory at the path is removed
// first. A file that cannot be replaced by a rename, such as a mount point, is written in place.
func (l *layer) replace(r *os.Root, f File, body io.Reader) error {
	name := path.Base(f.Path)
	old, err := r.Lstat(name)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case err == nil && old.IsDir():
		if err := r.RemoveAll(name); err != nil {
			return err
		}
		old = nil
	case err != nil:
		old = nil
	}
	owner := old
	if owner == nil {
		owner = l.owner
	}
	temp := ".lyandev-" + strconv.Itoa(os.Getpid()) + "-" + strconv.FormatUint(sequence.Add(1), 36)
	if f.Kind == Symlink {
		if err = r.Symlink(f.Link, temp); err == nil {
			giveTo(r, temp, owner)
		}
	} else {
		err = writeFile(r, f, temp, body, owner)
	}
	if err != nil {
		_ = r.Remove(temp)
		return err
	}
	err = r.Rename(temp, name)
	if err == nil {
		return nil
	}
	defer func() { _ = r.Remove(temp) }()
	if f.Kind != Regular || old == nil || !old.Mode().IsRegular() {
		return err
	}
	return overwrite(r, temp, name)
}

func writeFile(r *os.Root, f File, name string, body io.Reader, owner fs.FileInfo) error {
	out, err := r.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, body)
	if uid, gid, ok := ownerOf(owner); ok && (uid != os.Geteuid() || gid != os.Getegid()) {
		_ = out.Chown(uid, gid) // best effort: the file is readable without it
	}
	if err == nil {
		err = out.Chmod(fs.FileMode(f.Mode) & fs.ModePerm)
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	if f.ModTime == 0 {
		return nil
	}
	at := time.Unix(0, f.ModTime)
	return r.Chtimes(name, at, at)
}

func overwrite(r *os.Root, from, to string) error {
	in, err := r.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := r.OpenFile(to, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// giveTo sets the owner of a new file to that of the file it replaces, else of the directory. Failures are ignored.
func giveTo(r *os.Root, name string, owner fs.FileInfo) {
	if uid, gid, ok := ownerOf(owner); ok {
		_ = r.Lchown(name, uid, gid)
	}
}

func giveToParent(r *os.Root, name string) {
	if dir, err := r.Stat(path.Dir(name)); err == nil {
		giveTo(r, name, dir)
	}
}
