package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/docker/docker/client"
	"github.com/opencontainers/go-digest"
)

// Docker is the Engine over a Docker API (1.41 and newer).
type Docker struct {
	api  *client.Client
	host string
	// gate prevents commands from starting while their container is being paused.
	gate execGate
}

var _ Engine = (*Docker)(nil)

// NewDocker returns a client for the engine of DOCKER_HOST, else of the current Docker context, else of the platform's default
// socket. It does not connect yet; Info does. A host on another machine (tcp, ssh) is an error unless allowRemote.
func NewDocker(allowRemote bool) (*Docker, error) {
	host, from, err := dockerHost()
	if err != nil {
		return nil, err
	}
	if isRemote(host) && !allowRemote {
		return nil, fmt.Errorf("cannot use the Docker engine at %s (from %s): it is on another machine; "+
			"unset it, or set LYANDEV_ALLOW_REMOTE=1 to allow that", host, from)
	}
	opts := []client.Opt{client.WithTLSClientConfigFromEnv(), client.WithAPIVersionNegotiation(), client.WithVersionFromEnv()}
	if host != "" {
		opts = append(opts, client.WithHost(host))
	}
	api, err := client.NewClientWithOpts(opts...)
	if err != nil {
		return nil, wrap(err, "connect to the Docker engine at %q", host)
	}
	return &Docker{api: api, host: api.DaemonHost()}, nil
}

// API returns the Docker client, for package build, which uses its connection for BuildKit.
func (d *Docker) API() *client.Client { return d.api }

// Close releases idle connections.
func (d *Docker) Close() error { return d.api.Close() }

// Info asks the engine for its version and configuration, in three calls. It fails if one of them takes longer than infoLimit.
func (d *Docker) Info(ctx context.Context) (Info, error) {
	ping, err := within(ctx, infoLimit, d.api.Ping)
	if err != nil {
		return Info{}, wrap(err, "reach the Docker engine at %s", d.host)
	}
	v, err := within(ctx, infoLimit, d.api.ServerVersion)
	if err != nil {
		return Info{}, wrap(err, "ask the Docker engine at %s for its version", d.host)
	}
	info, err := within(ctx, infoLimit, d.api.Info)
	if err != nil {
		return Info{}, wrap(err, "ask the Docker engine at %s for its configuration", d.host)
	}
	desktop := strings.Contains(info.OperatingSystem, "Docker Desktop")
	return Info{
		Version: v.Version, APIVersion: d.api.ClientVersion(), OS: v.Os, Arch: v.Arch,
		CPUs: info.NCPU, MemoryBytes: info.MemTotal, Host: d.host,
		Local:    runtime.GOOS == "linux" && strings.HasPrefix(d.host, "unix://") && !desktop,
		BuildKit: ping.BuilderVersion == "2" || v.APIVersion >= "1.39",
	}, nil
}

// dockerHost finds the engine's address as the docker CLI does: DOCKER_HOST, then DOCKER_CONTEXT or currentContext of the
// user's configuration, then the default ("").
func dockerHost() (host, from string, err error) {
	if h := os.Getenv("DOCKER_HOST"); h != "" {
		return h, "DOCKER_HOST", nil
	}
	dir := os.Getenv("DOCKER_CONFIG")
	if dir == "" {
		home, _ := os.UserHomeDir()
		dir = filepath.Join(home, ".docker")
	}
	name := os.Getenv("DOCKER_CONTEXT")
	if name == "" {
		var conf struct {
			CurrentContext string `json:"currentContext"`
		}
		if b, err := os.ReadFile(filepath.Join(dir, "config.json")); err == nil {
			_ = json.Unmarshal(b, &conf) // an invalid configuration is reported by the docker CLI
		}
		name = conf.CurrentContext
	}
	if name == "" || name == "default" {
		return "", "the default", nil
	}
	var meta struct {
		Endpoints map[string]struct{ Host string }
	}
	path := filepath.Join(dir, "contexts", "meta", digest.FromString(name).Encoded(), "meta.json")
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &meta)
	}
	if err != nil {
		return "", "", wrap(err, "read the Docker context %q; choose another with `docker context use`", name)
	}
	return meta.Endpoints["docker"].Host, "the Docker context " + name, nil
}

func isRemote(host string) bool {
	return host != "" && !strings.HasPrefix(host, "unix://") && !strings.HasPrefix(host, "npipe://") &&
		!strings.HasPrefix(host, "tcp://127.0.0.1:") && !strings.HasPrefix(host, "tcp://localhost:")
}
