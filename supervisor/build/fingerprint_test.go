package build

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lyandev/lyandev/services"
)

// tree writes files below a directory; content "-> x" is a symbolic link, a name that ends with / a directory.
func tree(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		ok(t, os.MkdirAll(filepath.Dir(path), 0o755))
		link, isLink := strings.CutPrefix(content, "-> ")
		switch {
		case isLink:
			ok(t, os.Symlink(link, path))
		case strings.HasSuffix(name, "/"):
			ok(t, os.MkdirAll(path, 0o755))
		default:
			ok(t, os.WriteFile(path, []byte(content), 0o644))
		}
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func fingerprint(t *testing.T, x *services.Build) string {
	t.Helper()
	s, err := (&Builder{CacheDir: t.TempDir()}).source(x, map[string]string{"base": "base:dev"})
	ok(t, err)
	s.cleanup()
	return s.fingerprint
}

// TestFingerprintChangesExactlyWhenItShould changes one thing of a build and looks whether the fingerprint follows.
func TestFingerprintChangesExactlyWhenItShould(t *testing.T) {
	write := func(name, content string) func(*testing.T, string, *services.Build) {
		return func(t *testing.T, dir string, _ *services.Build) {
			_ = os.Remove(filepath.Join(dir, name))
			tree(t, dir, map[string]string{name: content})
		}
	}
	field := func(f func(x *services.Build)) func(*testing.T, string, *services.Build) {
		return func(_ *testing.T, _ string, x *services.Build) { f(x) }
	}
	for _, tc := range []struct {
		name   string
		change func(t *testing.T, dir string, x *services.Build)
		want   bool
	}{
		{"nothing", func(*testing.T, string, *services.Build) {}, false},
		{"content", write("ctx/src/a.py", "bb"), true},
		{"content written again", write("ctx/src/a.py", "aa"), false},
		{"a new file", write("ctx/src/b.py", ""), true},
		{"a new empty directory", write("ctx/empty/", ""), true},
		{"mode", func(t *testing.T, dir string, _ *services.Build) {
			ok(t, os.Chmod(filepath.Join(dir, "ctx/src/a.py"), 0o755))
		}, true},
		{"rename", func(t *testing.T, dir string, _ *services.Build) {
			ok(t, os.Rename(filepath.Join(dir, "ctx/src/a.py"), filepath.Join(dir, "ctx/src/c.py")))
		}, true},
		{"removal", func(t *testing.T, dir string, _ *services.Build) {
			ok(t, os.Remove(filepath.Join(dir, "ctx/src/a.py")))
		}, true},
		{"two files swap contents", func(t *testing.T, dir string, _ *services.Build) {
			tree(t, dir, map[string]string{"ctx/one": "2", "ctx/two": "1"})
		}, true},
		{"a link leads elsewhere", write("ctx/link", "-> src"), true},
		{"time only", func(t *testing.T, dir string, _ *services.Build) {
			ok(t, os.Chtimes(filepath.Join(dir, "ctx/src/a.py"), past, past))
		}, false},
		{"an ignored file", write("ctx/node_modules/x", "new"), false},
		{"an ignored file that an exception lets in", write("ctx/logs/keep", "new"), true},
		{"an ignored file beside the exception", write("ctx/logs/other", "new"), false},
		{"beside the context", write("other", "new"), false},
		{"the Dockerfile outside the context", write("docker/web.Dockerfile", "FROM base\nRUN y"), true},
		{"its own ignore file", write("docker/web.Dockerfile.dockerignore", "src"), true},
		{"an additional context", write("extra/f", "new"), true},
		{"an argument", field(func(x *services.Build) { x.Args["V"] = "2" }), true},
		{"an argument's name", field(func(x *services.Build) { x.Args = map[string]string{"W": "1"} }), true},
		{"the target", field(func(x *services.Build) { x.Target = "dev" }), true},
		{"a label", field(func(x *services.Build) { x.Labels = map[string]string{"a": "b"} }), true},
		{"the platform", field(func(x *services.Build) { x.Platform = "linux/arm64" }), true},
		{"the network", field(func(x *services.Build) { x.Network = "host" }), true},
		{"the tags", field(func(x *services.Build) { x.Tags = []string{"web:1"} }), true},
		{"the hosts", field(func(x *services.Build) { x.ExtraHosts = []string{"a=1.2.3.4"} }), true},
		{"the limits", field(func(x *services.Build) { x.Ulimits = []string{"nofile=1:2"} }), true},
		{"the shared memory", field(func(x *services.Build) { x.ShmSize = 1 << 20 }), true},
		{"the entitlements", field(func(x *services.Build) { x.Entitlements = []string{"network.host"} }), true},
		{"a secret's value", field(func(x *services.Build) { x.SecretValues = map[string]string{"a": "b"} }), false},
		{"the image's name", field(func(x *services.Build) { x.Image = "other:dev" }), true},
		{"where a cache comes from", field(func(x *services.Build) { x.CacheFrom = []string{"a"} }), false},
		{"the same context by another way", func(t *testing.T, dir string, x *services.Build) {
			ok(t, os.Symlink("ctx", filepath.Join(dir, "way")))
			x.Context = filepath.Join(dir, "way")
		}, false},
		{"another Dockerfile, inline", field(func(x *services.Build) { x.Dockerfile, x.DockerfileInline = "", "FROM other" }), true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir, x := sample(t)
			before := fingerprint(t, x)
			tc.change(t, dir, x)
			if got := fingerprint(t, x) != before; got != tc.want {
				t.Errorf("changed: %v, want %v", got, tc.want)
			}
		})
	}
}

// sample is a build with a bit of everything.
func sample(t *testing.T) (string, *services.Build) {
	t.Helper()
	dir := t.TempDir()
	tree(t, dir, map[string]string{
		"ctx/.dockerignore": "node_modules\nlogs/*\n!logs/keep\n", "ctx/src/a.py": "aa", "ctx/one": "1", "ctx/two": "2",
		"ctx/link": "-> one", "ctx/node_modules/x": "x", "ctx/logs/keep": "k", "ctx/logs/other": "o",
		"docker/web.Dockerfile": "FROM base\nRUN x", "extra/f": "f", "other": "",
	})
	return dir, &services.Build{
		Name: "web", Image: "web:dev", Context: filepath.Join(dir, "ctx"), Dockerfile: filepath.Join(dir, "docker/web.Dockerfile"),
		Args: map[string]string{"V": "1"}, AdditionalContexts: map[string]string{"extra": filepath.Join(dir, "extra"), "b": "service:base"},
	}
}

// TestFingerprintOfALinkedContext: what is behind the link counts.
func TestFingerprintOfALinkedContext(t *testing.T) {
	dir, x := sample(t)
	ok(t, os.Symlink("ctx", filepath.Join(dir, "way")))
	x.Context = filepath.Join(dir, "way")
	before := fingerprint(t, x)
	tree(t, dir, map[string]string{"ctx/src/a.py": "changed"})
	if fingerprint(t, x) == before {
		t.Error("a change behind a linked context is not seen")
	}
}

func TestSourcesThatCannotBe(t *testing.T) {
	dir, _ := sample(t)
	for _, tc := range []struct {
		change func(x *services.Build)
		want   string
	}{
		{func(x *services.Build) { x.Context = filepath.Join(dir, "none") }, "cannot read the build context: "},
		{func(x *services.Build) { x.Context = filepath.Join(dir, "other") }, "it is not a directory"},
		{func(x *services.Build) { x.Dockerfile = "" }, "cannot find " + filepath.Join(dir, "ctx/Dockerfile") + "; name the file with build.dockerfile"},
		{func(x *services.Build) { x.AdditionalContexts["extra"] = filepath.Join(dir, "none") }, "cannot read the build context: "},
		{func(x *services.Build) { x.Context = "embedded:images/none" }, "embedded"},
	} {
		_, x := sample(t)
		x.Context, x.Dockerfile = filepath.Join(dir, "ctx"), filepath.Join(dir, "docker/web.Dockerfile")
		tc.change(x)
		_, err := (&Builder{CacheDir: t.TempDir()}).source(x, nil)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("got %v, want %s", err, tc.want)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "lyandev-dockerfile-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestEmbeddedContexts(t *testing.T) {
	b := &Builder{CacheDir: t.TempDir()}
	for _, name := range []string{"embedded:images/redis", "embedded:demo"} {
		dir, err := b.ContextDir(name)
		ok(t, err)
		if _, err := os.Stat(filepath.Join(dir, "Dockerfile")); err != nil || !strings.HasPrefix(dir, b.CacheDir) {
			t.Errorf("%s in %s: %v", name, dir, err)
		}
	}
	if dir, err := b.ContextDir("/some/where"); dir != "/some/where" || err != nil {
		t.Errorf("%s, %v", dir, err)
	}
}

func TestCABundle(t *testing.T) {
	dir := t.TempDir()
	tree(t, dir, map[string]string{"own.pem": "x", "big.pem": strings.Repeat("x", 1<<20)})
	t.Setenv("SSL_CERT_FILE", filepath.Join(dir, "own.pem"))
	if got := CABundle(); got != filepath.Join(dir, "own.pem") {
		t.Errorf("got %s", got)
	}
	for _, name := range []string{"none.pem", "big.pem", ""} { // absent, larger than a secret may be, a directory
		t.Setenv("SSL_CERT_FILE", filepath.Join(dir, name))
		if got := CABundle(); strings.HasPrefix(got, dir) {
			t.Errorf("took %s", got)
		}
	}
}

func TestSecretsThatAreNotThere(t *testing.T) {
	_, err := sessionFor(&services.Build{Secrets: map[string]string{"token": "/no/such/file"}})
	if err == nil || err.Error() != "cannot read the build secret token: /no/such/file does not exist" {
		t.Errorf("got %v", err)
	}
	if _, err := sessionFor(&services.Build{Secrets: map[string]string{CASecret: "/no/such/file"}}); err != nil {
		t.Errorf("the CA bundle is offered if there is one: %v", err)
	}
}
