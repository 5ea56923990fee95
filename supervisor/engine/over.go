package engine

import (
	"fmt"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
)

// NewDockerOver is NewDocker with an existing Docker client.
func NewDockerOver(api *client.Client, allowRemote bool) (*Docker, error) {
	host := api.DaemonHost()
	if isRemote(host) && !allowRemote {
		return nil, fmt.Errorf("cannot use the Docker engine at %s: it is on another machine; "+
			"set LYANDEV_ALLOW_REMOTE=1 to allow that", host)
	}
	return &Docker{api: api, host: host}, nil
}

// Translate converts a spec to the three parts of Docker's create call, for callers that create containers through another
// library. It is pure. The error is ErrUnsupported for a SubPath mount.
func Translate(spec ContainerSpec) (*container.Config, *container.HostConfig, *network.NetworkingConfig, error) {
	for _, m := range spec.Mounts {
		if m.SubPath != "" && m.Volume != "" {
			return nil, nil, nil, wrap(ErrUnsupported, "mount %s of volume %s in container %s", m.SubPath, m.Volume, spec.Name)
		}
	}
	conf, host, net := translate(spec)
	return conf, host, net, nil
}
