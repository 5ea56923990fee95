package socket

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// place is a directory of mode 0700 whose path leaves room for a socket.
func place(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sock")
	ok(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func listen(t *testing.T, path string) {
	t.Helper()
	l, err := net.Listen("unix", path)
	ok(t, err)
	t.Cleanup(func() { _ = l.Close() })
}

func TestCheck(t *testing.T) {
	me := os.Geteuid()
	for _, tc := range []struct {
		name string
		// make makes what is in dir and returns the socket's path.
		make func(t *testing.T, dir string) string
		uid  int
		want string
	}{
		{name: "ours", uid: me, make: func(t *testing.T, dir string) string {
			listen(t, filepath.Join(dir, "sock"))
			return filepath.Join(dir, "sock")
		}},
		{name: "another user's directory", uid: me + 1, want: "belongs to user", make: func(t *testing.T, dir string) string {
			listen(t, filepath.Join(dir, "sock"))
			return filepath.Join(dir, "sock")
		}},
		{name: "open to others", uid: me, want: "has mode 0755", make: func(t *testing.T, dir string) string {
			listen(t, filepath.Join(dir, "sock"))
			ok(t, os.Chmod(dir, 0o755))
			return filepath.Join(dir, "sock")
		}},
		{name: "a link to a directory", uid: me, want: "is not a directory", make: func(t *testing.T, dir string) string {
			ok(t, os.Mkdir(filepath.Join(dir, "d"), 0o700))
			listen(t, filepath.Join(dir, "d", "sock"))
			ok(t, os.Symlink("d", filepath.Join(dir, "link")))
			return filepath.Join(dir, "link", "sock")
		}},
		{name: "a link to a socket", uid: me, want: "is not a socket", make: func(t *testing.T, dir string) string {
			listen(t, filepath.Join(dir, "real"))
			ok(t, os.Symlink("real", filepath.Join(dir, "sock")))
			return filepath.Join(dir, "sock")
		}},
		{name: "a file", uid: me, want: "is not a socket", make: func(t *testing.T, dir string) string {
			ok(t, os.WriteFile(filepath.Join(dir, "sock"), nil, 0o600))
			return filepath.Join(dir, "sock")
		}},
		{name: "a parent that everybody can write", uid: me, want: "no sticky bit", make: func(t *testing.T, dir string) string {
			ok(t, os.Mkdir(filepath.Join(dir, "d"), 0o700))
			listen(t, filepath.Join(dir, "d", "sock"))
			ok(t, os.Chmod(dir, 0o777))
			return filepath.Join(dir, "d", "sock")
		}},
		{name: "a parent as /tmp is", uid: me, make: func(t *testing.T, dir string) string {
			ok(t, os.Mkdir(filepath.Join(dir, "d"), 0o700))
			listen(t, filepath.Join(dir, "d", "sock"))
			ok(t, os.Chmod(dir, 0o777|fs.ModeSticky))
			return filepath.Join(dir, "d", "sock")
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := check(tc.make(t, place(t)), tc.uid, ownedBy)
			if tc.want == "" {
				ok(t, err)
				return
			}
			if !errors.Is(err, ErrUnsafe) || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "remove ") {
				t.Errorf("got %v, want %q and what to do", err, tc.want)
			}
		})
	}
}

func TestCheckWithoutASocket(t *testing.T) {
	for _, path := range []string{filepath.Join(place(t), "sock"), filepath.Join(place(t), "none", "sock")} {
		if err := Check(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestPrepare(t *testing.T) {
	dir := filepath.Join(place(t), "a", "b")
	ok(t, Prepare(filepath.Join(dir, "sock")))
	ok(t, Prepare(filepath.Join(dir, "sock")))
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	ok(t, os.Chmod(dir, 0o770))
	if err := Prepare(filepath.Join(dir, "sock")); !errors.Is(err, ErrUnsafe) {
		t.Errorf("a directory that a group can enter: %v", err)
	}
}

func TestPath(t *testing.T) {
	tmp, run := place(t), place(t)
	t.Setenv("TMPDIR", tmp)
	t.Setenv("XDG_RUNTIME_DIR", "")
	if got := Path("/s/shop"); got != "/s/shop/sock" {
		t.Errorf("a short path: %s", got)
	}
	long := "/" + strings.Repeat("d", MaxPath)
	inTmp := Path(long)
	if filepath.Dir(filepath.Dir(inTmp)) != tmp || len(inTmp) > MaxPath {
		t.Errorf("without a runtime directory: %s", inTmp)
	}
	if Path(long+"x") == inTmp {
		t.Error("two instances have one socket")
	}

	t.Setenv("XDG_RUNTIME_DIR", run)
	inRun := Path(long)
	if filepath.Dir(filepath.Dir(inRun)) != run || len(inRun) > MaxPath {
		t.Errorf("with a runtime directory: %s", inRun)
	}
	ok(t, Prepare(inTmp))
	listen(t, inTmp)
	if got := Path(long); got != inTmp {
		t.Errorf("the socket of a supervisor without a runtime directory is not found: %s", got)
	}
	ok(t, os.Chmod(filepath.Dir(inTmp), 0o777))
	if got := Path(long); got != inRun {
		t.Errorf("a socket that may be another user's is preferred: %s", got)
	}
	ok(t, os.Chmod(run, 0o755))
	if got := Path(long); got != inTmp {
		t.Errorf("a runtime directory that others can enter is used: %s", got)
	}
	t.Setenv("XDG_RUNTIME_DIR", filepath.Join(run, strings.Repeat("r", MaxPath)))
	if got := Path(long); got != inTmp {
		t.Errorf("a runtime directory with a long path is used: %s", got)
	}
}
