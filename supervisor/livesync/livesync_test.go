package livesync

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func write(t testing.TB, name, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func read(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestItemOf(t *testing.T) {
	for _, c := range []struct {
		rule   services.WatchRule
		source string
		file   bool
		want   string
	}{
		{services.WatchRule{Path: "/src", Target: "/app"}, "/src/a/b.py", false, "/app a/b.py"},
		{services.WatchRule{Path: "/src", Target: "/app/"}, "/src/a.py", false, "/app a.py"},
		{services.WatchRule{Path: "/src", Target: "/"}, "/src/a.py", false, "/ a.py"},
		{services.WatchRule{Path: "/src", Target: "/app"}, "/src", false, ""},
		{services.WatchRule{Path: "/src", Target: "/app"}, "/other/a.py", false, ""},
		{services.WatchRule{Path: "/src", Target: "/app"}, "/src/../etc/passwd", false, ""},
		{services.WatchRule{Path: "/src", Target: "app"}, "/src/a.py", false, ""},
		{services.WatchRule{Path: "/src"}, "/src/a.py", false, ""},
		{services.WatchRule{Path: "/src/a.conf", Target: "/etc/b.conf"}, "/src/a.conf", true, "/etc b.conf"},
		{services.WatchRule{Path: "/src/a.conf", Target: "/etc/"}, "/src/a.conf", true, "/etc a.conf"},
		{services.WatchRule{Path: "/src/a.conf", Target: "/etc/b.conf"}, "/src/c.conf", true, ""},
		{services.WatchRule{Path: "/src", Target: "/app/../etc"}, "/src/a", false, "/etc a"},
	} {
		got := ""
		if i, ok := ItemOf(c.rule, c.source, c.file); ok {
			got = i.Root + " " + i.Path
		}
		if got != c.want {
			t.Errorf("%+v, %s: %q, want %q", c.rule, c.source, got, c.want)
		}
	}
}

// FuzzItemOf: whatever paths come, an item stays below the rule's target.
func FuzzItemOf(f *testing.F) {
	f.Add("/src", "/src/a", "/app", false)
	f.Add("/src", "/src/../../etc/passwd", "/app", false)
	f.Add("/", "/..", "/", true)
	f.Add("/a", "/a/b\x00c", "/x/../..", true)
	f.Fuzz(func(t *testing.T, from, source, target string, isFile bool) {
		i, ok := ItemOf(services.WatchRule{Path: from, Target: target}, source, isFile)
		if !ok {
			return
		}
		if err := checkItem(i); err != nil {
			t.Fatalf("%+v: %v", i, err)
		}
		if i.Target() != i.Root && !strings.HasPrefix(i.Target(), strings.TrimSuffix(i.Root, "/")+"/") {
			t.Fatalf("%s is not below %s", i.Target(), i.Root)
		}
		var b bytes.Buffer
		if err := writeArchive(&b, filesOf([]Item{{Source: os.DevNull, Root: i.Root, Path: i.Path}})); err != nil {
			t.Skip("a name that no archive can hold")
		}
		for r := tar.NewReader(&b); ; {
			h, err := r.Next()
			if err != nil {
				return
			}
			if strings.HasPrefix(h.Name, "/") || strings.HasPrefix(path.Clean(h.Name), "..") {
				t.Fatalf("the archive has %q", h.Name)
			}
		}
	})
}

func item(source, root, name string) Item { return Item{Source: source, Root: root, Path: name} }

func targets(items []Item) string {
	var out []string
	for _, i := range items {
		out = append(out, i.Target())
	}
	return strings.Join(out, " ")
}

func TestMemory(t *testing.T) {
	m := NewMemory()
	at := time.Unix(1000, 0)
	inside := func(source string) bool { return strings.HasPrefix(source, "/ctx/") }
	m.Record("web/c", []Item{item("/ctx/a", "/app", "a")}, at) // nobody uses it yet
	m.Use("web/c", "one", at, inside)
	if got, seq := m.Since("web/c", "one", 0); len(got) != 0 || seq != 0 {
		t.Fatalf("%v %d", got, seq)
	}
	m.Record("web/c", []Item{item("/ctx/a", "/app", "a"), item("/else/b", "/app", "b")}, at.Add(1*time.Second))
	_, first := m.Since("web/c", "one", 0)
	m.Record("web/c", []Item{item("/ctx/late", "/app", "late"), item("/ctx/dir", "/app", "dir")}, at.Add(3*time.Second))
	if got, _ := m.Since("web/c", "one", 0); targets(got) != "/app/a /app/b /app/dir /app/late" {
		t.Fatalf("%v", got)
	}
	if got, _ := m.Since("web/c", "one", first); targets(got) != "/app/dir /app/late" {
		t.Fatalf("since: %v", got)
	}
	// An image that was built from the context after a change has it.
	m.Use("web/c", "two", at.Add(2*time.Second), inside)
	if got, _ := m.Since("web/c", "two", 0); targets(got) != "/app/b /app/dir /app/late" {
		t.Fatalf("after the build: %v", got)
	}
	if got, _ := m.Since("web/c", "one", 0); targets(got) != "/app/a /app/b /app/dir /app/late" {
		t.Fatalf("pods of the old image: %v", got)
	}
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	again := NewMemory()
	if err := json.Unmarshal(b, again); err != nil {
		t.Fatal(err)
	}
	want, seq := m.Since("web/c", "two", 0)
	if got, s := again.Since("web/c", "two", 0); !slices.Equal(got, want) || s != seq {
		t.Fatalf("read again: %v %d", got, s)
	}
	for i := range 10 {
		m.Use("web/c", fmt.Sprint("image", i), at.Add(time.Duration(10+i)*time.Second), inside)
	}
	if got, _ := m.Since("web/c", "one", 0); len(got) != 0 || len(m.overlays["web/c"]) != keptImages {
		t.Fatalf("%d images are kept", len(m.overlays["web/c"]))
	}
	m.Forget(func(string) bool { return false })
	if got, _ := m.Since("web/c", "image9", 0); len(got) != 0 {
		t.Fatal("not forgotten")
	}
	if err := json.Unmarshal([]byte(`{"x":{"y":null,"z":{}}}`), again); err != nil {
		t.Fatal(err)
	}
	again.Record("x", []Item{item("/s", "/a", "b")}, at)
	if json.Unmarshal([]byte(`[]`), again) == nil {
		t.Fatal("nonsense is read")
	}
}

// However edits, looks and deliveries follow each other, what has been delivered and what Since says are all there is.
func TestMemoryLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := NewMemory()
		m.Use("k", "i", time.Unix(0, 0), func(string) bool { return true })
		version, wanted := 0, map[string]int{}
		got, have := map[string]int{}, uint64(0)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "edit") {
				var items []Item
				version++
				for _, n := range rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c/d"}), 1, 3).Draw(t, "files") {
					items = append(items, item("/s/"+n, "/app", n))
					wanted["/app/"+n] = version
				}
				m.Record("k", items, time.Unix(int64(version), 0))
				continue
			}
			items, seq := m.Since("k", "i", have)
			for _, i := range items {
				got[i.Target()] = wanted[i.Target()]
			}
			have = seq
		}
		items, _ := m.Since("k", "i", have)
		for _, i := range items {
			got[i.Target()] = wanted[i.Target()]
		}
		if fmt.Sprint(got) != fmt.Sprint(wanted) {
			t.Fatalf("delivered %v, wanted %v", got, wanted)
		}
	})
}

// archives is a container's file system as the archive calls see it.
type archives struct {
	dirs map[string][]byte
	got  map[string][]string
}

func (a *archives) CopyFrom(_ context.Context, _, dir string) (io.ReadCloser, error) {
	b, ok := a.dirs[dir]
	if !ok {
		return nil, fmt.Errorf("no %s: %w", dir, errdefs.ErrNotFound)
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

func (a *archives) CopyOver(_ context.Context, _, dir string, in io.Reader) error {
	r := tar.NewReader(in)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		a.got[dir] = append(a.got[dir], fmt.Sprintf("%c %s", h.Typeflag, h.Name))
		if _, err := io.Copy(io.Discard, r); err != nil {
			return err
		}
	}
}

// helper runs the shim's control of this test's own binary where an engine would run it in a container.
type helper struct {
	started chan *exec.Cmd
	err     error
}

func (h *helper) Exec(ctx context.Context, _ string, spec engine.ExecSpec) (engine.ExecResult, error) {
	if h.err != nil {
		return engine.ExecResult{}, h.err
	}
	cmd := exec.CommandContext(ctx, os.Args[0], spec.Cmd[1:]...)
	cmd.Stdout, cmd.Stderr = spec.Stdout, spec.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return engine.ExecResult{}, err
	}
	if err := cmd.Start(); err != nil {
		return engine.ExecResult{}, err
	}
	go func() { // as with the engine, nobody waits for it
		_, _ = io.Copy(in, spec.Stdin)
		_ = in.Close()
	}()
	h.started <- cmd
	_ = cmd.Wait()
	return engine.ExecResult{ExitCode: cmd.ProcessState.ExitCode()}, ctx.Err()
}

func open(t *testing.T) (*Channel, *exec.Cmd) {
	t.Helper()
	h := &helper{started: make(chan *exec.Cmd, 1)}
	c, err := Open(t.Context(), h, "container", "/bin", "nobody")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); <-c.Ended() })
	return c, <-h.started
}

func TestChannel(t *testing.T) {
	t.Parallel()
	c, _ := open(t)
	src, root := t.TempDir(), t.TempDir()
	items := []Item{
		item(write(t, src+"/a", "one"), root, "a"), item(src+"/gone", root, "gone"),
		item(write(t, src+"/deep/b", strings.Repeat("x", 1<<20)), root, "deep/b"), item(src+"/deep", root, "empty"),
	}
	write(t, root+"/gone", "old")
	if err := c.Lay(t.Context(), items); err != nil {
		t.Fatal(err)
	}
	if read(t, root+"/a") != "one" || len(read(t, root+"/deep/b")) != 1<<20 {
		t.Fatal("not laid")
	}
	if _, err := os.Stat(root + "/gone"); !os.IsNotExist(err) {
		t.Fatal("not removed")
	}
	if err := c.Lay(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	var refused *RefusedError
	if err := c.Lay(t.Context(), []Item{item(src+"/a", root, "../evil"), item(src+"/a", root, "again")}); !errors.As(err, &refused) {
		t.Fatalf("%v", err)
	}
	if read(t, root+"/again") != "one" {
		t.Fatal("one failure dropped the others")
	}
	if _, err := c.Restart(t.Context(), time.Second); err == nil || c.Shim {
		t.Fatal("a restart without a shim")
	}
	if err := c.Lay(t.Context(), items); err != nil { // it goes on
		t.Fatal(err)
	}
}

func TestChannelOfAHelperThatDies(t *testing.T) {
	t.Parallel()
	c, cmd := open(t)
	_ = cmd.Process.Kill()
	<-c.Ended()
	if err := c.Lay(t.Context(), []Item{item(write(t, t.TempDir()+"/a", "x"), t.TempDir(), "a")}); !errors.Is(err, ErrClosed) {
		t.Fatalf("%v", err)
	}
}

func TestChannelThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	_, err := Open(t.Context(), &helper{err: engine.ErrExecNotStarted}, "c", "/bin", "s")
	if !errors.Is(err, engine.ErrExecNotStarted) {
		t.Fatalf("%v", err)
	}
}

func TestACallThatIsGivenUpEndsTheChannel(t *testing.T) {
	t.Parallel()
	c, cmd := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 2 {
		if err := c.Lay(ctx, []Item{item(write(t, t.TempDir()+"/a", "x"), t.TempDir(), "a")}); err == nil {
			break // the answer was there first
		}
	}
	_ = cmd
}

func TestAFileThatIsCutMeanwhileIsFilledUp(t *testing.T) {
	var b bytes.Buffer
	if err := writeExactly(&b, write(t, t.TempDir()+"/a", "four"), 6); err != nil || b.String() != "four\x00\x00" {
		t.Fatalf("%q %v", b.String(), err)
	}
	b.Reset()
	if err := writeExactly(&b, "/no/such", 3); err != nil || b.Len() != 3 {
		t.Fatalf("%q %v", b.String(), err)
	}
}

func TestLayIntoAContainerThatDoesNotRun(t *testing.T) {
	src := t.TempDir()
	var dir bytes.Buffer
	w := tar.NewWriter(&dir)
	for _, name := range []string{"pkg/", "pkg/keep.py", "pkg/old.py", "pkg/sub/", "pkg/sub/old.py", "pkg/olddir/", "pkg/olddir/x"} {
		h := &tar.Header{Name: name, Mode: 0o644, Typeflag: tar.TypeReg}
		if strings.HasSuffix(name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
	}
	_ = w.Close()
	a := &archives{dirs: map[string][]byte{"/app/pkg": dir.Bytes()}, got: map[string][]string{}}
	err := Lay(t.Context(), a, "c", []Item{
		item(write(t, src+"/new.py", "x"), "/app", "pkg/new.py"), item(src+"/old.py", "/app", "pkg/old.py"),
		item(src+"/olddir", "/app", "pkg/olddir"), item(src+"/nowhere", "/app", "absent/file"),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{
		"/app": {"0 pkg", "5 pkg/", "0 pkg/keep.py", "5 pkg/sub/", "0 pkg/sub/old.py"},
		"/":    {"0 app/pkg/new.py"},
	}
	for dir, names := range want {
		if !slices.Equal(a.got[dir], names) {
			t.Errorf("%s: %v, want %v", dir, a.got[dir], names)
		}
	}
	if err := Lay(t.Context(), a, "c", []Item{item(src+"/new.py", "/app", "../etc/x")}); err == nil {
		t.Error("a path outside is taken")
	}
}

// TestLayThroughLinks: in a container that does not run, a directory that is there keeps its owner, or stays a link, and files are
// removed from the directory that a link leads to.
func TestLayThroughLinks(t *testing.T) {
	src := t.TempDir()
	archive := func(list ...*tar.Header) []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, h := range list {
			if err := w.WriteHeader(h); err != nil {
				t.Fatal(err)
			}
		}
		_ = w.Close()
		return b.Bytes()
	}
	a := &archives{got: map[string][]string{}, dirs: map[string][]byte{
		"/app/pkg":  archive(&tar.Header{Name: "pkg", Typeflag: tar.TypeSymlink, Linkname: "../srv/pkg"}),
		"/srv/pkg":  archive(&tar.Header{Name: "pkg", Typeflag: tar.TypeSymlink, Linkname: "/real"}),
		"/real":     archive(&tar.Header{Name: "real/", Typeflag: tar.TypeDir}, &tar.Header{Name: "real/old.py", Typeflag: tar.TypeReg}),
		"/app/loop": archive(&tar.Header{Name: "loop", Typeflag: tar.TypeSymlink, Linkname: "loop"}),
	}}
	for _, dir := range []string{"pkg", "new"} {
		if err := os.Mkdir(src+"/"+dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	err := Lay(t.Context(), a, "c", []Item{
		item(src+"/pkg", "/app", "pkg"), item(src+"/new", "/app", "new"), item(src+"/pkg/old.py", "/app", "pkg/old.py"),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{"/": {"0 real", "5 real/", "5 app/new/"}}
	if !maps.EqualFunc(a.got, want, slices.Equal) {
		t.Errorf("%v, want %v", a.got, want)
	}
	if err := Lay(t.Context(), a, "c", []Item{item(src+"/gone", "/app", "loop/gone")}); err == nil || !strings.Contains(err.Error(), "too many levels") {
		t.Errorf("a link to itself: %v", err)
	}
}
