package watch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a watcher over a directory.
type rig struct {
	*testing.T
	dir string
	w   *Watcher
	// notifier is what the watcher asks, if it is the system's.
	notifier *notifier
}

func newRig(t *testing.T, c Config, prepare func(dir string)) *rig {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if prepare != nil {
		prepare(dir)
	}
	if c.Roots == nil {
		c.Roots = []Root{{Path: dir, Match: matcher(t, dir, nil, Ignores{Dir: dir, Patterns: []string{"ignored/"}})}}
	}
	for i := range c.Roots {
		c.Roots[i].Path = strings.Replace(c.Roots[i].Path, "DIR", dir, 1)
	}
	r := &rig{T: t, dir: dir, w: New(c)}
	r.w.open = func() (source, error) {
		src, err := r.w.source()
		r.notifier, _ = src.(*notifier)
		return src, err
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-r.w.Ready():
	case <-time.After(10 * time.Second):
		t.Fatal("never ready")
	}
	return r
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }
func (r *rig) write(name, text string) { r.Helper(); write(r, r.path(name), text) }
func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// next is the next batch as text: "written a.py, removed b".
func (r *rig) next() string {
	r.Helper()
	select {
	case b := <-r.w.Batches():
		return r.text(b)
	case <-time.After(10 * time.Second):
		r.Fatal("no batch came")
		return ""
	}
}

func (r *rig) text(b Batch) string {
	var out []string
	for _, c := range b.Changes {
		rel, _ := filepath.Rel(r.dir, c.Path)
		if c.Dir {
			rel += "/"
		}
		out = append(out, string(c.Op)+" "+rel)
	}
	return strings.Join(out, ", ")
}

// none says that nothing else comes: a marker is written, and must be all of the next batch.
func (r *rig) none() {
	r.Helper()
	name := fmt.Sprintf("marker-%d", time.Now().UnixNano())
	r.write(name, "x")
	if got := r.next(); got != "written "+name {
		r.Fatalf("%q came beside the marker", got)
	}
}

func (r *rig) wants(want string) {
	r.Helper()
	if got := r.next(); got != want {
		r.Fatalf("got %q, want %q", got, want)
	}
}

func TestEditorsSavesAreOneChange(t *testing.T) {
	for name, save := range map[string]func(r *rig){
		"in place": func(r *rig) { r.write("a.py", "two") },
		"rename over (most editors, git)": func(r *rig) {
			r.write("a.py.tmp~", "two")
			r.must(os.Rename(r.path("a.py.tmp~"), r.path("a.py")))
		},
		"vim: 4913, backup, new file, backup removed": func(r *rig) {
			r.write("4913", "")
			r.must(os.Remove(r.path("4913")))
			r.write(".a.py.swp", "swap")
			r.must(os.Rename(r.path("a.py"), r.path("a.py~")))
			r.write("a.py", "two")
			r.must(os.Chmod(r.path("a.py"), 0o644))
			r.must(os.Remove(r.path("a.py~")))
			r.must(os.Remove(r.path(".a.py.swp")))
		},
		"JetBrains: safe write": func(r *rig) {
			r.write("a.py___jb_tmp___", "two")
			r.must(os.Rename(r.path("a.py"), r.path("a.py___jb_old___")))
			r.must(os.Rename(r.path("a.py___jb_tmp___"), r.path("a.py")))
			r.must(os.Remove(r.path("a.py___jb_old___")))
		},
		"emacs: lock link": func(r *rig) {
			r.must(os.Symlink("me@host.1", r.path(".#a.py")))
			r.write("a.py", "two")
			r.must(os.Remove(r.path(".#a.py")))
		},
		"truncate, write, write": func(r *rig) {
			f, err := os.OpenFile(r.path("a.py"), os.O_WRONLY|os.O_TRUNC, 0)
			r.must(err)
			_, _ = f.WriteString("t")
			_, _ = f.WriteString("wo")
			r.must(f.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, Config{}, func(dir string) { write(t, filepath.Join(dir, "a.py"), "one") })
			save(r)
			r.wants("written a.py")
			r.none()
		})
	}
}

func TestModesAndRemovals(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{}, func(dir string) {
		write(t, filepath.Join(dir, "run.sh"), "x")
		write(t, filepath.Join(dir, "pkg/a.py"), "x")
		write(t, filepath.Join(dir, "pkg/b.py"), "x")
	})
	r.must(os.Chmod(r.path("run.sh"), 0o755))
	r.wants("chmod run.sh")
	r.must(os.Remove(r.path("pkg/a.py")))
	r.wants("removed pkg/a.py")
	r.must(os.Rename(r.path("pkg"), r.path("lib")))
	r.wants("written lib/, written lib/b.py, removed pkg/, removed pkg/b.py")
	r.must(os.RemoveAll(r.path("lib")))
	r.wants("removed lib/, removed lib/b.py")
	r.must(os.Remove(r.path("run.sh")))
	r.must(os.MkdirAll(r.path("run.sh/in"), 0o755))
	r.wants("written run.sh/, written run.sh/in/")
	r.must(os.RemoveAll(r.path("run.sh")))
	r.write("run.sh", "file again")
	r.wants("written run.sh, removed run.sh/in/")
	r.none()
}

func TestNewDirectoriesAreWatchedAndIgnoredOnesNot(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{}, func(dir string) { write(t, filepath.Join(dir, "ignored/deep/a"), "x") })
	r.write("new/deep/er/a.py", "one")
	r.wants("written new/, written new/deep/, written new/deep/er/, written new/deep/er/a.py")
	r.write("new/deep/er/a.py", "more than one")
	r.wants("written new/deep/er/a.py")
	r.write("ignored/deep/a", "changed")
	r.write("ignored/deep/er/b", "new")
	r.write("new/.git/index", "x")
	r.none()
	for _, dir := range r.notifier.fs.WatchList() {
		if strings.Contains(dir, "ignored") || strings.Contains(dir, ".git") {
			t.Errorf("%s is watched", dir)
		}
	}
}

func TestTemporaryFilesAreNoChange(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{}, nil)
	for i := range 20 {
		name := fmt.Sprintf("tmp%d", i)
		r.write(name, "x")
		r.must(os.Remove(r.path(name)))
	}
	r.none()
}

func TestLinksOutsideAreNotFollowed(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	write(t, filepath.Join(outside, "secret"), "x")
	r := newRig(t, Config{}, nil)
	r.must(os.Symlink(outside, r.path("link")))
	r.wants("written link")
	write(t, filepath.Join(outside, "secret"), "changed")
	write(t, filepath.Join(outside, "more"), "x")
	r.none()
}

func TestOneBatchForThousands(t *testing.T) {
	t.Parallel()
	const n = 3000
	r := newRig(t, Config{}, func(dir string) {
		for i := range n {
			write(t, filepath.Join(dir, fmt.Sprintf("d%d/f%d", i%30, i)), "one")
		}
	})
	for i := range n {
		r.write(fmt.Sprintf("d%d/f%d", i%30, i), "changed")
	}
	seen := map[string]bool{}
	batches := 0
	for len(seen) < n {
		select {
		case b := <-r.w.Batches():
			batches++
			for _, c := range b.Changes {
				seen[c.Path] = true
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%d of %d files came", len(seen), n)
		}
	}
	if batches > 2 { // a machine that stalls for 200 ms in the middle may make two
		t.Errorf("%d batches", batches)
	}
	r.none()
}

func TestWhatNobodyTakesJoinsTheNext(t *testing.T) {
	t.Parallel()
	r := &rig{T: t, dir: t.TempDir()}
	r.w = New(Config{Roots: []Root{{Path: r.dir}}})
	r.write("b", "x")
	r.w.tracker.learn()
	touch := func(names ...string) {
		for _, n := range names {
			r.w.touched[r.path(n)] = true
		}
		r.w.debounce.change(time.Now().Add(-time.Second))
	}
	r.write("a", "one")
	touch("a")
	first := r.w.complete(nil)
	if first == nil || r.text(*first) != "written a" {
		t.Fatalf("%+v", first)
	}
	r.write("c", "one")
	r.must(os.Remove(r.path("b")))
	r.must(os.Remove(r.path("a")))
	touch("a", "b", "c")
	if got := r.w.complete(first); r.text(*got) != "removed a, removed b, written c" || got.Seen != first.Seen {
		t.Fatalf("%+v", got)
	}
}

func TestAFileThatIsBeingWrittenIsNotToldHalf(t *testing.T) {
	t.Parallel()
	if !leases(t) {
		t.Log("no leases here: only the quiet after the last write is waited for")
		return
	}
	r := newRig(t, Config{}, nil)
	f, err := os.Create(r.path("big"))
	r.must(err)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			_, _ = f.WriteString("more")
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	r.write("other", "x")
	r.wants("written other") // it waited for big, and then went without it
	close(stop)
	<-stopped
	r.must(f.Close())
	r.wants("written big")
	r.none()
}

// leases says whether the file system of the tests tells who writes.
func leases(t *testing.T) bool {
	f, err := os.Create(filepath.Join(t.TempDir(), "x"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return beingWritten(f.Name())
}

func TestARootThatIsAFile(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{Roots: []Root{{Path: "DIR/req.txt"}}}, func(dir string) { write(t, filepath.Join(dir, "req.txt"), "one") })
	r.write("beside", "x")
	r.write("new.txt", "two")
	r.must(os.Rename(r.path("new.txt"), r.path("req.txt")))
	r.wants("written req.txt")
	r.must(os.Remove(r.path("req.txt")))
	r.wants("removed req.txt")
	r.write("req.txt", "back")
	r.wants("written req.txt")
}

func TestARootThatComesLaterAndGoes(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{Roots: []Root{{Path: "DIR/later"}}}, nil)
	r.write("later/a", "x")
	r.wants("written later/, written later/a")
	r.must(os.RemoveAll(r.path("later")))
	r.wants("removed later/, removed later/a")
	r.write("later/b", "x")
	r.wants("written later/, written later/b")
}

func TestPollingTellsTheSame(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{Poll: 20 * time.Millisecond}, func(dir string) { write(t, filepath.Join(dir, "a"), "one") })
	r.write("a", "two!")
	r.wants("written a")
	r.write("deep/b", "x")
	r.wants("written deep/, written deep/b")
	r.must(os.RemoveAll(r.path("deep")))
	r.wants("removed deep/, removed deep/b")
	r.none()
}

// deaf is a source that tells only what the test says.
type deaf struct {
	out   chan event
	added chan string
}

func (d *deaf) add(dir string) error { d.added <- dir; return nil }
func (d *deaf) events() <-chan event { return d.out }
func (d *deaf) close() error         { return nil }

func TestAnOverflowIsMadeGood(t *testing.T) {
	t.Parallel()
	src := &deaf{out: make(chan event), added: make(chan string, 100)}
	r := &rig{T: t, dir: t.TempDir()}
	r.write("a", "one")
	r.write("gone", "one")
	r.write("same", "one")
	r.w = New(Config{Roots: []Root{{Path: r.dir}}})
	r.w.open = func() (source, error) { return src, nil }
	go func() { _ = r.w.Run(t.Context()) }()
	<-r.w.Ready()
	r.write("a", "changed")
	r.write("new/b", "x")
	r.must(os.Remove(r.path("gone")))
	src.out <- event{everything: true}
	r.wants("written a, removed gone, written new/, written new/b")
	added := map[string]bool{}
	for len(src.added) > 0 {
		added[<-src.added] = true
	}
	if !added[r.path("new")] {
		t.Errorf("the directory that was missed is not watched: %v", added)
	}
}

func TestLimits(t *testing.T) {
	for _, c := range []struct {
		err  error
		want []string
	}{
		{syscall.ENOSPC, []string{"/x", watchesSetting, "sudo sysctl", "polled"}},
		{syscall.EMFILE, []string{instancesSetting, "sudo sysctl"}},
	} {
		err := limitError("/x", fmt.Errorf("add: %w", c.err))
		var limit *LimitError
		if !errors.As(err, &limit) || !errors.Is(err, c.err) {
			t.Fatalf("%v", err)
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q lacks %q", err, want)
			}
		}
	}
	var limit *LimitError
	if errors.As(limitError("/x", syscall.EACCES), &limit) {
		t.Error("a missing permission is no limit")
	}
}

func TestWithoutWatchesItPolls(t *testing.T) {
	t.Parallel()
	var warned []error
	w := New(Config{Warn: func(err error) { warned = append(warned, err) }})
	src, err := w.fallBack(limitError("/x", syscall.ENOSPC))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = src.close() }()
	if _, ok := src.(*poller); !ok || len(warned) != 1 {
		t.Fatalf("%T, %v", src, warned)
	}
	if _, err := w.fallBack(errors.New("other")); err == nil {
		t.Fatal("any error is taken for a limit")
	}
}

func TestJoin(t *testing.T) {
	b := func(s ...string) *Batch {
		out := &Batch{}
		for _, x := range s {
			op, path, _ := strings.Cut(x, " ")
			out.Changes = append(out.Changes, Change{Path: path, Op: Op(op)})
		}
		return out
	}
	got := join(b("written a", "removed c", "written d"), b("written b", "written c", "removed e"))
	want := b("written a", "written b", "written c", "written d", "removed e")
	if !slices.Equal(got.Changes, want.Changes) {
		t.Fatalf("%v", got.Changes)
	}
}
