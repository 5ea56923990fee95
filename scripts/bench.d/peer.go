//go:build unix

package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The versions that are built if the machine has none.
const (
	composeVersion = "v5.5.1"
	buildxVersion  = "v0.38.2"
)

// peerTools are the programs that lyandev is compared with. An error says why one is missing.
type peerTools struct {
	compose    string
	composeErr error
	// plain and buildx are directories for DOCKER_CONFIG: one without plugins, one with buildx.
	plain, buildx string
	buildxErr     error
}

// findPeers uses the machine's Compose and buildx, or builds them once into the cache directory, which takes some minutes.
func (b *bench) findPeers(ctx context.Context) {
	b.peer.compose, b.peer.composeErr = b.findProgram(ctx, "compose", "docker-compose", "github.com/docker/compose/v5/cmd", composeVersion)
	if b.peer.composeErr == nil {
		out, err := b.command(ctx, b.peer.compose, "version", "--short")
		b.res.Peers["compose"], b.peer.composeErr = strings.TrimSpace(out), err
	}
	b.peer.plain, b.peer.buildx = filepath.Join(b.tmp, "docker"), filepath.Join(b.tmp, "docker-buildx")
	plugins := filepath.Join(b.peer.buildx, "cli-plugins")
	b.peer.composeErr = errors.Join(b.peer.composeErr, os.MkdirAll(b.peer.plain, 0o755), os.MkdirAll(plugins, 0o755))
	buildx, err := b.findProgram(ctx, "buildx", "docker-buildx", "github.com/docker/buildx/cmd/buildx", buildxVersion)
	if err == nil {
		var out string
		if out, err = b.command(ctx, buildx, "version"); err == nil {
			b.res.Peers["buildx"] = strings.Join(strings.Fields(out)[1:2], "")
		}
		err = errors.Join(err, os.Symlink(buildx, filepath.Join(plugins, "docker-buildx")))
	}
	b.peer.buildxErr = err
}

func (b *bench) findProgram(ctx context.Context, name, binary, pkg, version string) (string, error) {
	if path, err := exec.LookPath(binary); err == nil {
		return path, nil
	}
	config := os.Getenv("DOCKER_CONFIG")
	if config == "" {
		home, _ := os.UserHomeDir()
		config = filepath.Join(home, ".docker")
	}
	dir := filepath.Join(b.cache, name)
	for _, d := range []string{filepath.Join(config, "cli-plugins"), "/usr/libexec/docker/cli-plugins", "/usr/lib/docker/cli-plugins", dir} {
		path := filepath.Join(d, binary)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	fmt.Fprintf(os.Stderr, "bench: building %s %s once ...\n", name, version)
	if err := writeFiles(dir, map[string]string{"go.mod": "module bench/" + name + "\n\ngo 1.26\n"}); err != nil {
		return "", err
	}
	// buildx says which version it is; Compose refuses one that does not know.
	stamp := "-X github.com/docker/buildx/version.Version=" + version
	for _, argv := range [][]string{{"go", "get", pkg + "@" + version}, {"go", "build", "-ldflags", stamp, "-o", binary, pkg}} {
		if _, err := b.run(ctx, cmd{dir: dir, argv: argv}); err != nil {
			return "", fmt.Errorf("cannot build %s %s: %w", name, version, err)
		}
	}
	return filepath.Join(dir, binary), nil
}

// project is a project that Docker Compose runs.
type project struct {
	b    *bench
	name string
	dir  string
	args []string
	env  []string
}

// newProject prepares a project of files of a directory. It is taken down with its volumes at the end of the program.
func (b *bench) newProject(name, dir string, files ...string) (*project, error) {
	if b.peer.composeErr != nil {
		return nil, b.peer.composeErr
	}
	p := &project{b: b, name: b.name + "-" + name, dir: dir}
	p.env = b.env("DOCKER_CONFIG="+b.peer.plain, "DOCKER_BUILDKIT=0", "BENCH_MARIADB=lyandev/mariadb:dev",
		"BENCH_REDIS=lyandev/redis:dev", "BENCH_MEMCACHED=lyandev/memcached:dev", "BENCH_APP=lyandev/lyanna-app:dev")
	for _, f := range files {
		p.args = append(p.args, "-f", f)
	}
	b.onEnd(func(ctx context.Context) {
		if err := p.down(ctx); err != nil {
			fmt.Fprintf(os.Stderr, "bench: cannot take down %s: %v\n", p.name, err)
		}
	})
	return p, nil
}

func (p *project) down(ctx context.Context) error {
	_, err := p.compose(ctx, "down", "-v", "-t", "0")
	return err
}

func (p *project) command(args ...string) cmd {
	argv := append([]string{p.b.peer.compose, "-p", p.name}, p.args...)
	return cmd{dir: p.dir, env: p.env, argv: append(argv, args...)}
}

// compose runs a command on the project.
func (p *project) compose(ctx context.Context, args ...string) (ended, error) {
	return p.b.run(ctx, p.command(args...))
}

// timed runs a command on the project and returns how long it took, in seconds.
func (p *project) timed(ctx context.Context, args ...string) (float64, error) {
	r, err := p.compose(ctx, args...)
	return r.took.Seconds(), err
}

// peerHA is the topology of the example's profile ha for Docker Compose. It does less: the web pods serve files, nothing waits for
// the replication or for a quorum.
//
//go:embed peer-ha.yaml
var peerHA string

// peerMinimal makes the example's own file, in profile minimal, one that Docker Compose runs: it ignores x-lyandev, so it needs
// health checks with the probes' commands, and the environment. It waits for no pod's role.
//
//go:embed peer-minimal.yaml
var peerMinimal string

func (b *bench) haPeer(name string) (*project, error) {
	dir := filepath.Join(b.tmp, name)
	if err := writeFiles(dir, map[string]string{"compose.yaml": peerHA}); err != nil {
		return nil, err
	}
	return b.newProject(name, dir, "compose.yaml")
}

func (b *bench) minimalPeer(name string) (*project, error) {
	dir := filepath.Join(b.tmp, name)
	if err := writeFiles(dir, map[string]string{"peer.yaml": peerMinimal}); err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	p, err := b.newProject(name, b.root, "lyanna.dev.yaml", filepath.Join(dir, "peer.yaml"))
	if err == nil {
		p.env = append(p.env, fmt.Sprintf("LYANNA_PORT=%d", port))
	}
	return p, err
}
