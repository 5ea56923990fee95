package compat_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gofrs/flock"

	"github.com/lyandev/lyandev/supervisor/e2e/harness"
)

// The versions of the programs that are compared with. COMPAT_COMPOSE and COMPAT_BUILDX name binaries to use instead.
const (
	composeVersion = "v5.5.1"
	buildxVersion  = "v0.38.2"
)

// tools are what all cases need; needTools fills them.
var tools struct {
	compose, probe, dockerConfig, dir string
	api                               string
	// can are the abilities of the machine that cases name.
	can map[string]bool
}

// needTools makes the programs and images that cases need, once. It skips the test with -short.
func needTools(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("it needs a Docker engine")
	}
	if err := makeTools(); err != nil {
		t.Fatal(err)
	}
	harness.Binary(t)
}

var makeTools = sync.OnceValue(func() error {
	ctx := context.Background()
	var err error
	if tools.dir, err = os.MkdirTemp("", "compat-"); err != nil {
		return err
	}
	if tools.compose, err = program(ctx, "compose", "docker-compose", "github.com/docker/compose/v5/cmd", composeVersion); err != nil {
		return err
	}
	buildx, err := program(ctx, "buildx", "docker-buildx", "github.com/docker/buildx/cmd/buildx", buildxVersion)
	if err != nil {
		return err
	}
	tools.dockerConfig = filepath.Join(tools.dir, "docker")
	plugins := filepath.Join(tools.dockerConfig, "cli-plugins")
	if err := errors.Join(os.MkdirAll(plugins, 0o755), os.Symlink(buildx, filepath.Join(plugins, "docker-buildx"))); err != nil {
		return err
	}
	out, err := docker(ctx, "version", "--format", "{{.Server.APIVersion}}")
	if err != nil {
		return err
	}
	tools.api = strings.TrimSpace(out)
	tools.probe = filepath.Join(tools.dir, "probe")
	if err := goRun(ctx, "", "build", "-trimpath", "-ldflags", "-s -w", "-o", tools.probe, "./probe"); err != nil {
		return err
	}
	if err := makeImages(ctx); err != nil {
		return err
	}
	return findAbilities(ctx)
})

// findAbilities tries what some machines cannot do, because they are containers themselves.
func findAbilities(ctx context.Context) error {
	name := filepath.Base(tools.dir)
	tools.can = map[string]bool{}
	for ability, argv := range map[string][]string{
		"privileged":    {"run", "--rm", "--privileged", imageFiles[0].tag, "/probe", "once"},
		"shared-mounts": {"run", "--rm", "-v", tools.dir + ":/x:rslave", imageFiles[0].tag, "/probe", "once"},
		"macvlan":       {"network", "create", "--driver", "macvlan", "--internal", name},
	} {
		r, err := command(ctx, "", nil, "docker", argv...)
		if err != nil {
			return err
		}
		tools.can[ability] = r.code == 0
	}
	if tools.can["macvlan"] {
		_, err := docker(ctx, "network", "rm", name)
		return err
	}
	return nil
}

// TestPrograms builds the programs that lyandev is compared with, and checks that they are those.
func TestPrograms(t *testing.T) {
	needTools(t)
	out, err := command(t.Context(), "", os.Environ(), tools.compose, "version", "--short")
	if err != nil || out.code != 0 {
		t.Errorf("cannot run Docker Compose: %v %s", err, out.err)
	}
}

// goRun runs the go command in a directory.
func goRun(ctx context.Context, dir string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// program returns the path of a program, which is built into the user's cache directory if it is not there; that takes
// minutes. The benchmark uses the same directory.
func program(ctx context.Context, name, binary, pkg, version string) (string, error) {
	if path := os.Getenv("COMPAT_" + strings.ToUpper(name)); path != "" {
		return filepath.Abs(path)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "lyandev-bench", name)
	path := filepath.Join(dir, binary)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	lock := flock.New(filepath.Join(dir, "lock"))
	if err := lock.Lock(); err != nil {
		return "", err
	}
	defer func() { _ = lock.Unlock() }()
	if mod, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil && strings.Contains(string(mod), version) {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module bench/"+name+"\n\ngo 1.26\n"), 0o644); err != nil {
		return "", err
	}
	if err := goRun(ctx, dir, "get", pkg+"@"+version); err != nil {
		return "", fmt.Errorf("cannot get %s: %w", name, err)
	}
	// buildx says which version it is; Compose refuses one that does not know.
	stamp := "-X github.com/docker/buildx/version.Version=" + version
	if err := goRun(ctx, dir, "build", "-ldflags", stamp, "-o", binary, pkg); err != nil {
		return "", fmt.Errorf("cannot build %s: %w", name, err)
	}
	return path, nil
}

// imageFiles are the images that cases use, beside debian:trixie-slim.
var imageFiles = []struct{ tag, text string }{
	{"lyandev-compat/probe:latest", `FROM debian:trixie-slim
RUN groupadd -g 4321 app && useradd -u 4321 -g app app && mkdir /data && echo from-image >/data/file && chown -R app /data && install -m 666 /dev/null /var/starts
COPY probe /probe
CMD ["/probe", "serve"]
`},
	{"lyandev-compat/probe:full", `FROM lyandev-compat/probe:latest
ENV FROM_IMAGE=yes OVERRIDDEN=image
LABEL from.image=yes overridden=image
WORKDIR /work
RUN chown app /work
VOLUME /data
EXPOSE 8080 9000/udp
STOPSIGNAL SIGQUIT
HEALTHCHECK --interval=300ms --timeout=2s --retries=3 --start-period=1s CMD ["/probe", "health"]
USER app
ENTRYPOINT ["/probe"]
CMD ["serve"]
`},
}

// hashLabel is on the images: a hash of what they are made of.
const hashLabel = "dev.compat.hash"

func makeImages(ctx context.Context) error {
	binary, err := os.ReadFile(tools.probe)
	if err != nil {
		return err
	}
	lock := flock.New(filepath.Join(os.TempDir(), "lyandev-compat-images.lock"))
	if err := lock.Lock(); err != nil {
		return err
	}
	defer func() { _ = lock.Unlock() }()
	for _, image := range imageFiles {
		hash := fmt.Sprintf("%x", sha256.Sum256([]byte(string(binary)+imageFiles[0].text+image.text)))[:16]
		r, err := command(ctx, "", nil, "docker", "image", "inspect", "--format", `{{index .Config.Labels "`+hashLabel+`"}}`, image.tag)
		if err != nil {
			return err
		}
		if strings.TrimSpace(r.out) == hash {
			continue
		}
		if err := os.WriteFile(filepath.Join(tools.dir, "Dockerfile"), []byte(image.text+"LABEL "+hashLabel+"="+hash+"\n"), 0o644); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(tools.dir, ".dockerignore"), []byte("*\n!probe\n"), 0o644); err != nil {
			return err
		}
		r, err = command(ctx, tools.dir, append(os.Environ(), "DOCKER_BUILDKIT=0"), "docker", "build", "-q", "-t", image.tag, ".")
		if err != nil || r.code != 0 {
			return fmt.Errorf("cannot build %s: %w %s", image.tag, err, r.err)
		}
	}
	return nil
}
