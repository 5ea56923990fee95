package engine

import (
	"context"
	"fmt"
	"runtime"
	"strings"

	"github.com/docker/docker/client"
)

// Docker is the Engine over a Docker API (1.41 and newer).
type Docker struct {
	api  *client.Client
	host string
	// gate prevents commands from starting while their container is being paused.
	gate execGate
}

var _ Engine = (*Docker)(nil)

// NewDocker returns a client for the engine of DOCKER_HOST, else of the current Docker context (with its TLS files), else of the
// platform's default socket. ssh:// goes through the ssh command, as with the docker CLI. It does not connect yet; Info does. A
// host on another machine (tcp, ssh) is an error unless allowRemote.
func NewDocker(allowRemote bool) (*Docker, error) {
	at, err := dockerHost()
	if err != nil {
		return nil, err
	}
	if isRemote(at.host) && !allowRemote {
		return nil, fmt.Errorf("cannot use the Docker engine at %s (from %s): it is on another machine; "+
			"unset it, or set LYANDEV_ALLOW_REMOTE=1 to allow that", at.host, at.from)
	}
	opts, err := at.options()
	if err != nil {
		return nil, err
	}
	api, err := client.NewClientWithOpts(append(opts, client.WithAPIVersionNegotiation(), client.WithVersionFromEnv())...)
	if err != nil {
		return nil, wrap(err, "connect to the Docker engine at %q", at.host)
	}
	host := at.host
	if !strings.HasPrefix(host, "ssh://") {
		host = api.DaemonHost()
	}
	return &Docker{api: api, host: host}, nil
}

// API returns the Docker client, for package build, which uses its connection for BuildKit.
func (d *Docker) API() *client.Client { return d.api }

// Close releases idle connections.
func (d *Docker) Close() error { return d.api.Close() }

// Answers checks that the engine answers, in one call, which also agrees on the version of the API. It fails if that takes longer than
// infoLimit.
func (d *Docker) Answers(ctx context.Context) error {
	ping, err := within(ctx, infoLimit, d.api.Ping)
	if err == nil {
		d.api.NegotiateAPIVersionPing(ping)
	}
	return wrap(err, "reach the Docker engine at %s", d.host)
}

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
