package instance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lyandev/lyandev/supervisor/socket"
)

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestResolve(t *testing.T) {
	for _, tc := range []struct {
		name string
		// saved are instances "name project dir"; taken are names by the directory that Docker's objects say.
		saved                  []string
		taken                  map[string]string
		project, dir, explicit string
		want, wantErr          string
	}{
		{name: "the first directory has the project's name", project: "shop", dir: "/a", want: "shop"},
		{name: "it keeps it", saved: []string{"shop shop /a"}, project: "shop", dir: "/a", want: "shop"},
		{name: "another directory gets a hash", saved: []string{"shop shop /a"}, project: "shop", dir: "/b", want: "shop-" + sum("/b")},
		{name: "which it keeps when the first is gone", saved: []string{"shop-xx shop /b"}, project: "shop", dir: "/b", want: "shop-xx"},
		{name: "another project in the same directory", saved: []string{"shop shop /a"}, project: "blog", dir: "/a", want: "blog"},
		{name: "a project renamed to one that another has", saved: []string{"shop shop /a", "blog blog /b"}, project: "shop", dir: "/b", want: "shop-" + sum("/b")},
		{name: "Docker knows another directory", taken: map[string]string{"shop": "/z"}, project: "shop", dir: "/a", want: "shop-" + sum("/a")},
		{name: "Docker knows this directory", taken: map[string]string{"shop": "/a"}, project: "shop", dir: "/a", want: "shop"},
		{name: "a name of any text", project: "My Shop!", dir: "/a", want: "my-shop"},
		{name: "explicit", saved: []string{"shop shop /a"}, project: "shop", dir: "/a", explicit: "other", want: "other"},
		{name: "explicit, known", saved: []string{"other shop /a"}, project: "shop", dir: "/a", explicit: "other", want: "other"},
		{name: "explicit, of no use", project: "shop", dir: "/a", explicit: "No/Way", wantErr: `cannot use "No/Way" as a project name`},
		{name: "Docker does not answer", taken: map[string]string{"": "error"}, project: "shop", dir: "/a", wantErr: "no engine"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := &Registry{Root: t.TempDir()}
			for _, line := range tc.saved {
				f := strings.Fields(line)
				i := &Instance{Name: f[0], Project: f[1], Dir: f[2], root: r.Root}
				ok(t, i.Save())
			}
			if tc.taken != nil {
				r.Taken = func(_ context.Context, name string) (string, error) {
					if tc.taken[""] != "" {
						return "", errors.New("no engine")
					}
					return tc.taken[name], nil
				}
			}
			i, err := r.Resolve(t.Context(), tc.project, tc.dir, tc.explicit)
			switch {
			case tc.wantErr != "":
				if err == nil || !strings.Contains(err.Error(), tc.wantErr) {
					t.Errorf("got %v, want %s", err, tc.wantErr)
				}
			case err != nil:
				t.Fatal(err)
			case i.Name != tc.want || i.Dir != tc.dir:
				t.Errorf("got %s in %s, want %s", i.Name, i.Dir, tc.want)
			}
			if before, _ := r.List(); len(before) != len(tc.saved) {
				t.Errorf("Resolve wrote: %d instances", len(before))
			}
		})
	}
}

// sum is the suffix of a directory's name.
func sum(dir string) string {
	r := &Registry{Root: "/nowhere", Taken: func(context.Context, string) (string, error) { return "/other", nil }}
	i, err := r.Resolve(context.Background(), "p", dir, "")
	if err != nil {
		return err.Error()
	}
	return strings.TrimPrefix(i.Name, "p-")
}

func TestSaveGetRemove(t *testing.T) {
	r := &Registry{Root: filepath.Join(t.TempDir(), "deep", "er")}
	i := r.fresh("shop", "shop", "/a")
	i.Files = []string{"/a/lyanna.dev.yaml"}
	ok(t, i.Save())
	got, err := r.Get("shop")
	if err != nil || got == nil || got.Dir != "/a" || got.Files[0] != "/a/lyanna.dev.yaml" || !got.Created.Equal(i.Created) || got.Home() != i.Home() {
		t.Fatalf("%+v, %v", got, err)
	}
	for path, want := range map[string]os.FileMode{i.Home(): 0o700, i.File("instance.json"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	// What is torn, or in the wrong place, is as good as not there.
	for name, content := range map[string]string{"torn": `{"name":"to`, "moved": `{"name":"shop"}`} {
		ok(t, os.MkdirAll(filepath.Join(r.Root, name), 0o700))
		ok(t, os.WriteFile(filepath.Join(r.Root, name, "instance.json"), []byte(content), 0o600))
	}
	if all, err := r.List(); err != nil || len(all) != 1 {
		t.Errorf("%v, %v", all, err)
	}
	ok(t, i.Remove())
	ok(t, i.Remove())
	if got, err := r.Get("shop"); got != nil || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestSocketFitsAUnixAddress(t *testing.T) {
	root := "/" + strings.Repeat("d", 90)
	for _, i := range []*Instance{{Name: "shop", root: "/s"}, {Name: "shop", root: root}, {Name: "blog", root: root}} {
		if p := i.Socket(); len(p) > socket.MaxPath && len(os.TempDir()) < 30 {
			t.Errorf("%d bytes: %s", len(p), p)
		}
	}
	if a, b := (&Instance{Name: "shop", root: root}).Socket(), (&Instance{Name: "blog", root: root}).Socket(); a == b {
		t.Errorf("two instances, one socket: %s", a)
	}
}

// TestLock takes the lock in this process, and tries it in another, and again after that one was killed.
func TestLock(t *testing.T) {
	if home := os.Getenv("LYANDEV_TEST_LOCK"); home != "" {
		holdLock(home)
	}
	r := &Registry{Root: t.TempDir()}
	i := r.fresh("shop", "shop", "/a")
	cmd := exec.Command(os.Args[0], "-test.run=^TestLock$")
	cmd.Env = append(os.Environ(), "LYANDEV_TEST_LOCK="+r.Root)
	out, err := cmd.StdoutPipe()
	ok(t, err)
	ok(t, cmd.Start())
	word := make([]byte, 4)
	_, err = out.Read(word)
	ok(t, err)
	_, err = i.Lock()
	if want := fmt.Sprintf("another supervisor is running for shop (process %d)", cmd.Process.Pid); !errors.Is(err, ErrHeld) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	ok(t, cmd.Process.Kill())
	_ = cmd.Wait()
	lock, err := i.Lock()
	ok(t, err)
	if _, err := i.Lock(); !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("in the same process: %v", err)
	}
	lock.Release()
	lock, err = i.Lock()
	ok(t, err)
	lock.Release()
}

// holdLock is the other process: it holds the lock until it is killed.
func holdLock(root string) {
	i := (&Registry{Root: root}).fresh("shop", "shop", "/a")
	lock, err := i.Lock()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	defer lock.Release() // keeps the file from the garbage collector, which would close it
	fmt.Println("held")
	time.Sleep(time.Hour) // select {} would be a deadlock to the runtime, which ends the process
}

// TestWriteFileLeavesWhatIsRight: no write for the same content; one for another content, another mode, or a link in the file's place.
func TestWriteFileLeavesWhatIsRight(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	other := filepath.Join(t.TempDir(), "other")
	ok(t, os.WriteFile(other, []byte("new"), 0o600))
	for _, tc := range []struct {
		name    string
		before  func() error
		content string
		writes  bool
	}{
		{"there is none", func() error { return nil }, "one", true},
		{"the same", func() error { return nil }, "one", false},
		{"another content of that length", func() error { return nil }, "two", true},
		{"another mode", func() error { return os.Chmod(path, 0o644) }, "two", true},
		{"a link", func() error { return errors.Join(os.Remove(path), os.Symlink(other, path)) }, "new", true},
	} {
		ok(t, tc.before())
		_ = os.Chtimes(path, time.Time{}, time.Now().Add(-time.Hour))
		before, _ := os.Lstat(path)
		ok(t, WriteFile(path, []byte(tc.content)))
		after, err := os.Lstat(path)
		ok(t, err)
		if wrote := !os.SameFile(before, after); wrote != tc.writes {
			t.Errorf("%s: written: %v, want %v", tc.name, wrote, tc.writes)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != tc.content || after.Mode() != 0o600 || time.Since(after.ModTime()) > time.Minute {
			t.Errorf("%s: %q, %v, %s, %v", tc.name, got, after.Mode(), after.ModTime(), err)
		}
	}
}

func TestWriteFileIsAllOrNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	long := strings.Repeat("x", 1<<16)
	ok(t, WriteFile(path, []byte(long)))
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			for range 25 {
				if err := WriteFile(path, []byte(strings.Repeat(fmt.Sprint(n), 1<<16))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 200 {
		b, err := os.ReadFile(path)
		ok(t, err)
		if len(b) != 1<<16 || strings.Trim(string(b), string(b[:1])) != "" {
			t.Fatalf("half a file: %d bytes", len(b))
		}
	}
	wg.Wait()
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	if err := WriteFile(filepath.Join(dir, "none", "f"), nil); err == nil || !strings.Contains(err.Error(), "cannot write ") {
		t.Errorf("no directory: %v", err)
	}
	ok(t, os.Mkdir(filepath.Join(dir, "d"), 0o700))
	if err := WriteFile(filepath.Join(dir, "d"), nil); err == nil {
		t.Error("wrote over a directory")
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("left behind by a failure: %v", left)
	}
}

func TestCheckName(t *testing.T) {
	for _, good := range []string{"a", "a1", "lyanna", "a-b", "a-", "a_b", "my_app__x", strings.Repeat("a", 133), "9x"} {
		if err := CheckName(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", "-a", "_a", "A", "a.b", "a b", "../a", "a/b", "ä", "a\n", strings.Repeat("a", 134)} {
		if CheckName(bad) == nil {
			t.Errorf("%q is let through", bad)
		}
	}
}

func TestNormalize(t *testing.T) {
	for in, want := range map[string]string{
		"lyanna": "lyanna", "Lyanna Dev": "lyanna-dev", "--x--": "x", "": "stack", "ÄÖ": "stack", "a__b": "a__b", "my_app-": "my_app-",
		strings.Repeat("a", 130): strings.Repeat("a", 128),
	} {
		if got := Normalize(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.String().Draw(t, "text")
		name := Normalize(in)
		if err := CheckName(name + "-abcd"); err != nil { // room for the suffix of a second directory
			t.Fatal(err)
		}
		if again := Normalize(name); again != name {
			t.Fatalf("%q, and then %q", name, again)
		}
	})
}

func TestResolvedNamesCanBeUsed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := &Registry{Root: "/nowhere/at/all", Taken: func(context.Context, string) (string, error) {
			return rapid.SampledFrom([]string{"", "/elsewhere"}).Draw(t, "taken"), nil
		}}
		i, err := r.Resolve(context.Background(), rapid.String().Draw(t, "project"), rapid.String().Draw(t, "dir"), "")
		if err != nil {
			t.Fatal(err)
		}
		if err := CheckName(i.Name); err != nil {
			t.Fatal(err)
		}
	})
}

// TestALockIsLostWithItsFile: a supervisor whose directory was deleted finds that out, also when another one has made the
// directory again and locked it.
func TestALockIsLostWithItsFile(t *testing.T) {
	for name, lose := range map[string]func(i *Instance) error{
		"the directory is deleted": func(i *Instance) error { return os.RemoveAll(i.Home()) },
		"the file is deleted":      func(i *Instance) error { return os.Remove(i.File("lock")) },
		"another one is there": func(i *Instance) error {
			other, err := os.CreateTemp(i.Home(), "lock-*")
			return errors.Join(err, other.Close(), os.Rename(other.Name(), i.File("lock")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			i := (&Registry{Root: t.TempDir()}).fresh("shop", "shop", "/a")
			first, err := i.Lock()
			ok(t, err)
			defer first.Release()
			ok(t, first.Check())
			ok(t, lose(i))
			if err := first.Check(); !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), "shop") {
				t.Errorf("the first one says %v", err)
			}
			second, err := i.Lock()
			ok(t, err)
			defer second.Release()
			ok(t, second.Check())
			if err := first.Check(); !errors.Is(err, ErrLost) {
				t.Errorf("with a second one there, the first says %v", err)
			}
		})
	}
}

// TestStarted: an instance is found by its directory and the files it was started with, if that is one.
func TestStarted(t *testing.T) {
	r := &Registry{Root: t.TempDir()}
	for _, i := range []*Instance{
		{Name: "a", Project: "a", Dir: "/a"},
		{Name: "b", Project: "b", Dir: "/a", Files: []string{"/a/b.yaml"}},
		{Name: "c", Project: "c", Dir: "/c"},
		{Name: "d", Project: "d", Dir: "/c"},
	} {
		i.root = r.Root
		ok(t, i.Save())
	}
	for _, c := range []struct{ dir, files, want string }{
		{"/a", "", "a"},
		{"/a", "/a/b.yaml", "b"},
		{"/a", "/a/c.yaml", ""},
		{"/b", "", ""},
		{"/c", "", ""},
	} {
		got, err := r.Started(c.dir, strings.Fields(c.files))
		ok(t, err)
		name := ""
		if got != nil {
			name = got.Name
		}
		if name != c.want {
			t.Errorf("%+v: %q", c, name)
		}
	}
}
