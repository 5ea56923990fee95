package engine

import (
	"net/netip"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
)

// Exact is a container in Docker's own terms. It is created as it is, with three additions of its ContainerSpec: Image replaces
// Config.Image, Labels are added to Config.Labels, and Mounts to Host.Mounts (a mount of the ContainerSpec replaces the one of
// Host at the same target). The proxies of the Docker configuration are set in its environment, unless Config.Env sets them.
//
// A setting that the engine's API version does not know is an error (ErrUnsupported) that names it and the API version that it
// needs. Where Docker Compose only warns about it, ContainerSpec.Warn is called.
type Exact struct {
	Config container.Config
	Host   container.HostConfig
	// Networks are the networks to connect to, the primary one first; Host.NetworkMode is set to the primary. With none,
	// Host.NetworkMode says it all (bridge, host, none, container:ID).
	Networks []NetworkAttachment
	// Platform is OS[/ARCH[/VARIANT]]; "" is the engine's own.
	Platform string
}

// NetworkAttachment is a connection to one network.
type NetworkAttachment struct {
	// Network is a name or an ID.
	Network  string
	Settings network.EndpointSettings
}

// EndpointAt returns the settings of a connection with a static address (the zero Addr lets the engine choose) and aliases.
func EndpointAt(ip netip.Addr, aliases ...string) network.EndpointSettings {
	ep := network.EndpointSettings{Aliases: aliases}
	if ip.IsValid() {
		ep.IPAMConfig = &network.EndpointIPAMConfig{IPv4Address: ip.String()}
	}
	return ep
}
