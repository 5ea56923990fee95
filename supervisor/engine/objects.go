package engine

import (
	"net/netip"
	"time"
)

// NetworkSpec is one network to create.
type NetworkSpec struct {
	Name string
	// Driver "" is bridge.
	Driver  string
	Options map[string]string
	// Internal networks have no way out. Attachable is for Swarm's overlay networks.
	Internal, Attachable bool
	// EnableIPv4 and EnableIPv6: nil is the engine's default. Switching IPv4 off needs API 1.48 (ErrUnsupported).
	EnableIPv4, EnableIPv6 *bool
	IPAM                   IPAM
	Labels                 map[string]string

	// Subnet, IPRange and Gateway are short for one pool in IPAM.
	Subnet  netip.Prefix
	IPRange netip.Prefix
	Gateway netip.Addr
}

// IPAM says how the addresses of a network are chosen.
type IPAM struct {
	// Driver "" is default.
	Driver  string
	Options map[string]string
	// Pools nil lets the engine choose a subnet.
	Pools []IPAMPool
}

// IPAMPool is one subnet. Docker gives out addresses in IPRange only, if it is set.
type IPAMPool struct {
	Subnet  netip.Prefix
	IPRange netip.Prefix
	Gateway netip.Addr
	// Aux are addresses that are not given out, by a name for each.
	Aux map[string]netip.Addr
}

// Pools are the pools of the specification, however they are written.
func (s NetworkSpec) Pools() []IPAMPool {
	if s.Subnet.IsValid() {
		return append([]IPAMPool{{Subnet: s.Subnet, IPRange: s.IPRange, Gateway: s.Gateway}}, s.IPAM.Pools...)
	}
	return s.IPAM.Pools
}

// Network is one network as observed.
type Network struct {
	ID, Name, Driver     string
	Options              map[string]string
	Internal, Attachable bool
	IPv4, IPv6           bool
	IPAM                 IPAM
	// Subnets are those of IPAM.Pools.
	Subnets []netip.Prefix
	Labels  map[string]string
	Created time.Time
	// Containers are the IDs attached to it (only from InspectNetwork, and if it was listed with labels).
	Containers []string
}

// Endpoint is a container's connection to one network. Its addresses are invalid while the container does not run.
type Endpoint struct {
	NetworkID string
	IP, IPv6  netip.Addr
	MAC       string
	Aliases   []string
}

// VolumeSpec is one volume to create.
type VolumeSpec struct {
	Name string
	// Driver "" is local.
	Driver  string
	Options map[string]string
	Labels  map[string]string
}

// Volume is one volume as observed.
type Volume struct {
	Name    string
	Driver  string
	Options map[string]string
	Labels  map[string]string
	Created time.Time
	// Mountpoint is where it is on the engine's host.
	Mountpoint string
}
