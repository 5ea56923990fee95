package compose

import (
	"maps"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/network"
)

// Network is a Docker network of plain services. Name may contain Project; see Named.
type Network struct {
	// Key is the name under networks: in the file, Name the name in Docker.
	Key  string `json:"key"`
	Name string `json:"name"`
	// External networks must exist; lyandev neither creates nor removes them. Then the fields below are unset.
	External bool `json:"external,omitempty"`

	Driver     string            `json:"driver,omitempty"`
	DriverOpts map[string]string `json:"driverOpts,omitempty"`
	Internal   bool              `json:"internal,omitempty"`
	Attachable bool              `json:"attachable,omitempty"`
	// EnableIPv4 and EnableIPv6 are nil where the file says nothing.
	EnableIPv4 *bool             `json:"enableIPv4,omitempty"`
	EnableIPv6 *bool             `json:"enableIPv6,omitempty"`
	IPAM       *network.IPAM     `json:"ipam,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
	// Source is file:line, for messages.
	Source string `json:"source,omitempty"`
}

// Volume is a named Docker volume: what the file has under volumes:, or the claim of a StatefulSet's first pod. Name and Else may
// contain Project; see Named.
type Volume struct {
	// Key is the name under volumes: in the file, Name the name in Docker.
	Key  string `json:"key"`
	Name string `json:"name"`
	// Claim is the name of the claim by which pods of Kubernetes' semantics mount the volume; "" if none does.
	Claim string `json:"claim,omitempty"`
	// Else is another name that the volume may have: it is used if there is a volume of that name and none of Name; "" for none.
	Else string `json:"else,omitempty"`
	// OnDemand volumes are made when the first pod that mounts them starts, the others before any pod starts.
	OnDemand bool `json:"onDemand,omitempty"`
	// External volumes must exist; lyandev neither creates nor removes them.
	External   bool              `json:"external,omitempty"`
	Driver     string            `json:"driver,omitempty"`
	DriverOpts map[string]string `json:"driverOpts,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
	Source     string            `json:"source,omitempty"`
}

// Named returns a name of a Docker object for the instance of a name.
func Named(name, project string) string { return strings.ReplaceAll(name, Project, project) }

// DeepCopy returns an independent copy.
func (n *Network) DeepCopy() *Network {
	out := *n
	out.DriverOpts, out.Labels = maps.Clone(n.DriverOpts), maps.Clone(n.Labels)
	if n.EnableIPv4 != nil {
		out.EnableIPv4 = new(*n.EnableIPv4)
	}
	if n.EnableIPv6 != nil {
		out.EnableIPv6 = new(*n.EnableIPv6)
	}
	if n.IPAM != nil {
		ipam := *n.IPAM
		ipam.Options, ipam.Config = maps.Clone(ipam.Options), slices.Clone(ipam.Config)
		for i := range ipam.Config {
			ipam.Config[i].AuxAddress = maps.Clone(ipam.Config[i].AuxAddress)
		}
		out.IPAM = &ipam
	}
	return &out
}

// DeepCopy returns an independent copy.
func (v *Volume) DeepCopy() *Volume {
	out := *v
	out.DriverOpts, out.Labels = maps.Clone(v.DriverOpts), maps.Clone(v.Labels)
	return &out
}
