package tcengine

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"
	"github.com/testcontainers/testcontainers-go"
)

// reaperProvider creates the reaper's container with its port published on one address. testcontainers would publish it on all
// addresses of the machine, and anyone who can reach the reaper can have objects removed.
type reaperProvider struct {
	*testcontainers.DockerProvider
	at netip.Addr
}

// RunContainer implements testcontainers' ReaperProvider.
func (p reaperProvider) RunContainer(ctx context.Context, req testcontainers.ContainerRequest) (testcontainers.Container, error) {
	theirs := req.HostConfigModifier
	req.HostConfigModifier = func(h *container.HostConfig) {
		if theirs != nil {
			theirs(h)
		}
		h.PortBindings = nat.PortMap{}
		for _, port := range req.ExposedPorts {
			h.PortBindings[nat.Port(port)] = []nat.PortBinding{{HostIP: p.at.String()}}
		}
	}
	return p.DockerProvider.RunContainer(ctx, req)
}

// reaperAddress is the address at which this process reaches published ports, if the engine can publish on it.
func (e *Engine) reaperAddress(ctx context.Context) (netip.Addr, error) {
	host, err := e.provider.DaemonHost(ctx)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("cannot find where the engine publishes ports: %w", err)
	}
	return publishAddress(host, strings.HasPrefix(e.API().DaemonHost(), "tcp://")), nil
}

// publishAddress is 127.0.0.1 if published ports are reached there. Otherwise it is the address at which they are reached, if
// that is the engine's own (the gateway, seen from a container), and all addresses if the engine is on another machine, which
// need not own the address at which it is reached.
func publishAddress(host string, overNetwork bool) netip.Addr {
	addr, err := netip.ParseAddr(host)
	switch {
	case host == "localhost", err == nil && addr.IsLoopback():
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case err == nil && !overNetwork:
		return addr
	}
	return netip.IPv4Unspecified()
}
