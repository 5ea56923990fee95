package engine

import (
	"fmt"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
)

// NewDockerOver is the Engine over a client that somebody else has made. A host on another machine is refused unless
// allowRemote, as in NewDocker.
func NewDockerOver(api *client.Client, allowRemote bool) (*Docker, error) {
	host := api.DaemonHost()
	if isRemote(host) && !allowRemote {
		return nil, fmt.Errorf("cannot use the Docker engine at %s: it is on another machine; "+
			"set LYANDEV_ALLOW_REMOTE=1 if that is what you want", host)
	}
	return &Docker{api: api, host: host}, nil
}

// Translate is a spec in the API's three parts, for those who create containers through another library. It is pure.
func Translate(spec ContainerSpec) (*container.Config, *container.HostConfig, *network.NetworkingConfig, error) {
	for _, m := range spec.Mounts {
		if m.SubPath != "" && m.Volume != "" {
			return nil, nil, nil, wrap(ErrUnsupported, "mount %s of volume %s in container %s", m.SubPath, m.Volume, spec.Name)
		}
	}
	conf, host, net := translate(spec)
	return conf, host, net, nil
}
