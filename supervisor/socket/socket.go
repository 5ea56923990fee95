// Package socket chooses where the control socket of an instance is, and refuses to use one that another user could have
// put there: what is sent over it holds the stack's passwords.
package socket

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// MaxPath is the longest path of a Unix socket in bytes (108 with the final zero on Linux, 104 on macOS).
const MaxPath = 100

// ErrUnsafe says that a socket, or the directory it is in, may belong to another user.
var ErrUnsafe = errors.New("another user may control it")

// Path is where the socket of the instance in directory home is: home itself, or if that path is too long for a socket, a
// directory of this user in $XDG_RUNTIME_DIR or else in the directory for temporary files. A socket that is already in
// one of the two is preferred, so that processes find each other that do not share $XDG_RUNTIME_DIR.
func Path(home string) string {
	p := filepath.Join(home, "sock")
	if len(p) <= MaxPath {
		return p
	}
	places := fallbacks(p)
	for _, place := range places {
		if _, err := os.Lstat(place); err == nil && Check(place) == nil {
			return place
		}
	}
	return places[0]
}

// fallbacks are the places of a socket whose own path is too long, best first. There is at least one.
func fallbacks(path string) []string {
	sum := sha256.Sum256([]byte(path))
	name := hex.EncodeToString(sum[:8])
	var places []string
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) && checkDir(dir, os.Geteuid(), ownedBy) == nil {
		if p := filepath.Join(dir, "lyandev-"+name, "sock"); len(p) <= MaxPath {
			places = append(places, p)
		}
	}
	return append(places, filepath.Join(os.TempDir(), fmt.Sprintf("lyandev-%d-%s", os.Getuid(), name), "sock"))
}

// Prepare makes the directory of the socket, mode 0700. A directory that exists is used if it is this user's alone;
// otherwise the error is ErrUnsafe.
func Prepare(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return fmt.Errorf("cannot make the directory of socket %s: %w", path, err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("cannot make the directory of socket %s: %w", path, err)
	}
	return refuse(path, checkPlace(dir, os.Geteuid(), ownedBy))
}

// Check says whether the socket can be connected to: it and its directory are this user's alone. The error is ErrUnsafe if
// they are not, and fs.ErrNotExist if there is no socket.
func Check(path string) error { return check(path, os.Geteuid(), ownedBy) }

// owner says which user a file belongs to; false where files have no such owner.
type owner func(fs.FileInfo) (uid int, known bool)

func check(path string, uid int, of owner) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := checkPlace(filepath.Dir(path), uid, of); err != nil {
		return refuse(path, err)
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket && !plainSockets {
		return refuse(path, fmt.Errorf("%s is not a socket: %w", path, ErrUnsafe))
	}
	return refuse(path, checkOwner(path, info, uid, of))
}

// checkPlace checks the directory of a socket, and that nobody else can put another directory in its place.
func checkPlace(dir string, uid int, of owner) error {
	if err := checkDir(dir, uid, of); err != nil {
		return err
	}
	parent := filepath.Dir(dir)
	info, err := os.Stat(parent)
	if err != nil {
		return err
	}
	if by, known := of(info); known && by != 0 && by != uid {
		return fmt.Errorf("%s belongs to user %d: %w", parent, by, ErrUnsafe)
	}
	if _, known := of(info); known && info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
		return fmt.Errorf("%s can be written by everybody and has no sticky bit: %w", parent, ErrUnsafe)
	}
	return nil
}

// checkDir wants a directory, no link to one, that the user owns and nobody else may enter.
func checkDir(dir string, uid int, of owner) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a directory: %w", dir, ErrUnsafe)
	}
	if err := checkOwner(dir, info, uid, of); err != nil {
		return err
	}
	if _, known := of(info); known && info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s has mode %04o and must have 0700: %w", dir, info.Mode().Perm(), ErrUnsafe)
	}
	return nil
}

func checkOwner(path string, info fs.FileInfo, uid int, of owner) error {
	if by, known := of(info); known && by != uid {
		return fmt.Errorf("%s belongs to user %d, not to user %d: %w", path, by, uid, ErrUnsafe)
	}
	return nil
}

// refuse says what to do about what is unsafe.
func refuse(path string, err error) error {
	if err == nil || !errors.Is(err, ErrUnsafe) {
		return err
	}
	return fmt.Errorf("cannot use the control socket %s: %w; remove %s, or name a private directory with a shorter path "+
		"in XDG_STATE_HOME", path, err, filepath.Dir(path))
}
