package build

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
)

// TestMain looks for goroutines left behind. BuildKit's client keeps one for 3 s after every build, to end its status.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/moby/buildkit/client.(*Client).solve.func2.1.1"))
}

// bench builds on the real engine; its images go away with the test.
type bench struct {
	*Builder
	t    *testing.T
	eng  *engine.Docker
	ctx  context.Context
	name string
	refs map[string]string

	mu   sync.Mutex
	told []Progress
}

func newBench(t *testing.T) *bench {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a Docker engine; make test runs it")
	}
	d, err := engine.NewDocker(false)
	ok(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	b := &bench{t: t, refs: map[string]string{}, eng: d, ctx: ctx, name: fmt.Sprintf("lybuild-%d-%06d", os.Getpid(), rand.IntN(1e6))}
	b.Builder = &Builder{
		API: d.API(), Images: d, Project: b.name, CacheDir: t.TempDir(), Log: slog.New(slog.DiscardHandler),
	}
	t.Cleanup(func() {
		cancel()
		imgs, err := d.ListImages(context.Background(), map[string]string{services.ProjectLabel: b.name})
		ok(t, err)
		for _, i := range imgs {
			ok(t, d.RemoveImage(context.Background(), i.ID))
		}
		ok(t, d.Close())
	})
	return b
}

// build describes a build of a Dockerfile and the files of a new context.
func (b *bench) build(name, dockerfile string, files map[string]string) *services.Build {
	b.t.Helper()
	dir := b.t.TempDir()
	tree(b.t, dir, files)
	x := &services.Build{Name: name, Image: "lyandev.test/" + b.name + ":" + name, Context: dir, DockerfileInline: dockerfile}
	b.refs[name] = x.Image
	return x
}

func (b *bench) sink(p Progress) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.told = append(b.told, p)
}

// states are the states that were told of a build.
func (b *bench) states(name string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for _, p := range b.told {
		if p.State != "" && p.Build == name {
			out = append(out, p.State)
		}
	}
	return strings.Join(out, " ")
}

func (b *bench) must(x *services.Build, opts Options) Result {
	b.t.Helper()
	r, err := b.Build(b.ctx, x, opts, b.sink)
	ok(b.t, err)
	return r
}

// read is a file of an image.
func (b *bench) read(image, path string) string {
	b.t.Helper()
	id, err := b.eng.CreateContainer(b.ctx, engine.ContainerSpec{
		Name: fmt.Sprint(b.name, "-", rand.IntN(1e6)), Image: image, Entrypoint: []string{"none"}, Labels: map[string]string{services.ProjectLabel: b.name},
	})
	ok(b.t, err)
	defer func() { ok(b.t, b.eng.RemoveContainer(b.ctx, id)) }()
	rc, err := b.eng.CopyFrom(b.ctx, id, path)
	ok(b.t, err)
	defer rc.Close()
	return untar(b.t, rc)
}

func TestBuildAndThatItIsCurrent(t *testing.T) {
	b := newBench(t)
	x := b.build("web", "FROM debian:trixie-slim AS one\nARG V\nCOPY f /f\nRUN echo $V >/v\nFROM one AS two\nRUN echo never >/v\n", map[string]string{"f": "content"})
	x.Target, x.Args = "one", map[string]string{"V": "value"}
	r := b.must(x, Options{Refs: b.refs})
	if r.Current || r.PreviousID != "" || !strings.HasPrefix(r.ImageID, "sha256:") || r.Image != x.Image || r.Took <= 0 {
		t.Errorf("%+v", r)
	}
	if f, v := b.read(x.Image, "/f"), b.read(x.Image, "/v"); f != "content" || v != "value\n" {
		t.Errorf("built %q, %q", f, v)
	}
	img, err := b.eng.InspectImage(b.ctx, x.Image)
	ok(t, err)
	if img.Labels[services.BuildLabel] != "web" || img.Labels[services.ProjectLabel] != b.name || len(img.Labels[FingerprintLabel]) != 64 {
		t.Errorf("labels %v", img.Labels)
	}
	again := b.must(x, Options{Refs: b.refs})
	if !again.Current || again.ImageID != r.ImageID || again.Took > 200*time.Millisecond {
		t.Errorf("again: %+v", again)
	}
	t.Logf("a current build took %v", again.Took)
	tree(t, x.Context, map[string]string{"f": "changed"})
	third := b.must(x, Options{Refs: b.refs})
	if third.Current || third.PreviousID != r.ImageID || third.ImageID == r.ImageID || b.read(x.Image, "/f") != "changed" {
		t.Errorf("after a change: %+v", third)
	}
	if forced := b.must(x, Options{Force: true, Refs: b.refs}); forced.Current {
		t.Errorf("forced: %+v", forced)
	}
	if got := b.states("web"); got != "running done current running done running done" {
		t.Errorf("told %s", got)
	}
}

func TestBuildSecrets(t *testing.T) {
	b := newBench(t)
	dir := t.TempDir()
	tree(t, dir, map[string]string{"ca.pem": "the bundle", "token": "hush"})
	t.Setenv("SSL_CERT_FILE", filepath.Join(dir, "ca.pem"))
	x := b.build("web", "FROM debian:trixie-slim\n"+
		"RUN --mount=type=secret,id=ca --mount=type=secret,id=token cat /run/secrets/ca /run/secrets/token | sha256sum >/sum\n", nil)
	x.Secrets = map[string]string{"token": filepath.Join(dir, "token")}
	b.must(x, Options{Refs: b.refs})
	// printf 'the bundlehush' | sha256sum
	if got := b.read(x.Image, "/sum"); !strings.HasPrefix(got, "6374043d") {
		t.Errorf("the secrets' sum is %s", got)
	}
}

func TestAdditionalContexts(t *testing.T) {
	b := newBench(t)
	base := b.build("base", "FROM debian:trixie-slim\nRUN echo one >/made\n", nil)
	extra := t.TempDir()
	tree(t, extra, map[string]string{"g": "from the side", "d/h": "deep", "ignored": "x", ".dockerignore": "ignored"})
	web := b.build("web", "FROM base\nCOPY --from=more . /more\nCOPY f /f\n", map[string]string{"f": "x"})
	web.AdditionalContexts = map[string]string{"base": "service:base", "more": extra}
	part := b.build("part", "FROM scratch\nCOPY --from=origin /made /copied\n", nil)
	part.AdditionalContexts = map[string]string{"origin": "service:base"}
	all := func() []Result {
		t.Helper()
		rs, err := b.All(b.ctx, []*services.Build{web, part, base}, Options{Refs: b.refs}, b.sink) // All sees to the order
		ok(t, err)
		return rs
	}
	if rs := all(); rs[0].Name != "web" || rs[1].Name != "part" || rs[2].Name != "base" {
		t.Errorf("results %+v", rs)
	}
	for path, want := range map[string]string{"/made": "one\n", "/more/g": "from the side", "/more/d/h": "deep", "/f": "x"} {
		if got := b.read(web.Image, path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	if got := b.read(part.Image, "/copied"); got != "one\n" {
		t.Errorf("copied %q", got)
	}
	if rs := all(); !rs[0].Current || !rs[1].Current || !rs[2].Current {
		t.Errorf("nothing changed: %+v", rs)
	}
	// What they are made from has changed, so they are made again.
	base.DockerfileInline = "FROM debian:trixie-slim\nRUN echo two >/made\n"
	if rs := all(); rs[0].Current || b.read(web.Image, "/made") != "two\n" || b.read(part.Image, "/copied") != "two\n" {
		t.Errorf("the base changed: %+v", rs)
	}
	lost := b.build("lost", "FROM x\n", nil)
	lost.AdditionalContexts = map[string]string{"x": "service:nobody"}
	if _, err := b.Build(b.ctx, lost, Options{Refs: b.refs}, nil); err == nil || !strings.Contains(err.Error(), "cannot build lost: cannot use the image of nobody") {
		t.Errorf("a context of nobody: %v", err)
	}
}

func TestAFailingStep(t *testing.T) {
	b := newBench(t)
	x := b.build("web", "FROM debian:trixie-slim\nRUN echo to stdout; echo to stderr >&2; exit 3\n", nil)
	_, err := b.Build(b.ctx, x, Options{Refs: b.refs}, b.sink)
	var failed *Error
	if !errors.As(err, &failed) {
		t.Fatalf("got %v", err)
	}
	if failed.Name != "web" || !strings.Contains(failed.Step, "RUN echo to stdout") || !strings.Contains(failed.Output, "to stdout") ||
		!strings.Contains(failed.Output, "to stderr") || !strings.Contains(failed.Err.Error(), "exit code: 3") {
		t.Errorf("step %q, error %v, output\n%s", failed.Step, failed.Err, failed.Output)
	}
	if got := b.states("web"); got != "running failed" {
		t.Errorf("told %s", got)
	}
	if _, err := b.eng.InspectImage(b.ctx, x.Image); !engine.IsNotFound(err) {
		t.Errorf("an image: %v", err)
	}
	bad := b.build("bad", "FROM debian:trixie-slim\nNONSENSE\n", nil)
	if _, err := b.Build(b.ctx, bad, Options{Refs: b.refs}, nil); err == nil || !strings.Contains(err.Error(), "cannot build bad") || !strings.Contains(err.Error(), "NONSENSE") {
		t.Errorf("a Dockerfile of nonsense: %v", err)
	}
}

// TestOneFailureEndsTheOthers: those that depend on it never begin, the ones that run are cancelled.
func TestOneFailureEndsTheOthers(t *testing.T) {
	b := newBench(t)
	bad := b.build("bad", "FROM debian:trixie-slim\nRUN sleep 1; exit 1\n", nil)
	after := b.build("after", "FROM bad\n", nil)
	after.AdditionalContexts = map[string]string{"bad": "service:bad"}
	slow := b.build("slow", fmt.Sprintf("FROM debian:trixie-slim\nRUN : %d; sleep 60\n", rand.Int()), nil)
	began := time.Now()
	_, err := b.All(b.ctx, []*services.Build{after, bad, slow}, Options{Refs: b.refs}, b.sink)
	var failed *Error
	if !errors.As(err, &failed) || failed.Name != "bad" || time.Since(began) > 30*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
	if a, s := b.states("after"), b.states("slow"); a != "" || s != "running cancelled" {
		t.Errorf("after: %q, slow: %q", a, s)
	}
}

func TestCancelEndsQuickly(t *testing.T) {
	b := newBench(t)
	x := b.build("web", fmt.Sprintf("FROM debian:trixie-slim\nRUN echo begun %d; sleep 60\n", rand.Int()), nil)
	ctx, cancel := context.WithCancelCause(b.ctx)
	superseded := errors.New("superseded")
	var at time.Time
	_, err := b.Build(ctx, x, Options{Refs: b.refs}, func(p Progress) {
		if strings.HasPrefix(p.Line, "begun ") {
			at = time.Now()
			cancel(superseded)
		}
	})
	took := time.Since(at)
	var failed *Error
	if !errors.Is(err, superseded) || errors.As(err, &failed) || took > 5*time.Second {
		t.Errorf("after %v: %v", took, err)
	}
	t.Logf("cancelled in %v", took)
}

// TestManyFilesOneChange: only the change travels.
func TestManyFilesOneChange(t *testing.T) {
	b := newBench(t)
	files := map[string]string{"Dockerfile": "FROM debian:trixie-slim\nCOPY . /src\n", ".dockerignore": "ignored\n", "ignored": "not there"}
	for i := range 500 {
		files[fmt.Sprintf("d%d/f%d", i%10, i)] = strings.Repeat(fmt.Sprint(i), 500)
	}
	x := b.build("web", "", files)
	first := b.must(x, Options{Refs: b.refs})
	tree(t, x.Context, map[string]string{"d1/f1": "changed"})
	second := b.must(x, Options{Refs: b.refs})
	t.Logf("first %v, after one change %v", first.Took, second.Took)
	if second.Current || b.read(x.Image, "/src/d1/f1") != "changed" || b.read(x.Image, "/src/d2/f2") != files["d2/f2"] {
		t.Errorf("%+v", second)
	}
}

// untar is the content of the one file in a tar.
func untar(t *testing.T, r io.Reader) string {
	t.Helper()
	tr := tar.NewReader(r)
	_, err := tr.Next()
	ok(t, err)
	content, err := io.ReadAll(tr)
	ok(t, err)
	return string(content)
}
