package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/versions"
)

// ifname is the driver option that names the network interface inside the container (Compose: interface_name).
const ifname = "com.docker.network.endpoint.ifname"

// need is one setting that engines know from an API version on. An older engine would ignore it without a word. The API
// versions are those of Docker's API version history.
type need struct {
	used bool
	// what is the attribute as people write it in a Compose file.
	what, api string
	// warns is true where Docker Compose starts the container all the same, which then differs in nothing that its data or its
	// isolation depends on.
	warns bool
}

// check returns the warnings about, or the error for, the first setting that an API version does not know.
func check(needs []need, version string) (warnings []string, err error) {
	for _, n := range needs {
		if !n.used || !versions.LessThan(version, n.api) {
			continue
		}
		text := fmt.Sprintf("%s needs Docker API %s or newer; this engine has %s", n.what, n.api, version)
		if !n.warns {
			return nil, fmt.Errorf("%w: %s: update the engine, or remove the attribute", ErrUnsupported, text)
		}
		warnings = append(warnings, text+", and ignores it")
	}
	return warnings, nil
}

// CheckExact checks all settings of an exact container against an API version; see Exact.
func CheckExact(x *Exact, version string) (warnings []string, err error) {
	h := x.Config.Healthcheck
	needs := []need{
		{used: len(x.Host.Annotations) > 0, what: "annotations", api: "1.43", warns: true},
		{used: h != nil && h.StartInterval != 0, what: "healthcheck.start_interval", api: "1.44", warns: true},
	}
	for i := range x.Host.Mounts {
		needs = append(needs, mountNeeds(&x.Host.Mounts[i])...)
	}
	for i := range x.Networks {
		n := &x.Networks[i]
		needs = append(needs, endpointNeeds(n.Network, &n.Settings)...)
		needs = append(needs, need{
			used: i > 0 && n.Settings.MacAddress != "", what: "networks." + n.Network + ".mac_address (of a second network)", api: "1.44", warns: true,
		})
	}
	return check(needs, version)
}

func mountNeeds(m *mount.Mount) []need {
	where := "the mount at " + m.Target + ": "
	b, v := m.BindOptions, m.VolumeOptions
	return []need{
		{used: m.Type == mount.TypeImage, what: where + "type: image", api: "1.48"},
		{used: v != nil && v.Subpath != "", what: where + "volume.subpath", api: "1.45"},
		{used: b != nil && b.ReadOnlyForceRecursive, what: where + "bind.recursive: readonly", api: "1.44"},
		{used: m.TmpfsOptions != nil && len(m.TmpfsOptions.Options) > 0, what: where + "options of a tmpfs", api: "1.46"},
	}
}

func endpointNeeds(net string, ep *network.EndpointSettings) []need {
	where := "networks." + net + "."
	return []need{
		{used: ep.GwPriority != 0, what: where + "gw_priority", api: "1.48", warns: true},
		{used: ep.DriverOpts[ifname] != "", what: where + "interface_name", api: "1.49"},
	}
}

// knowsEndpoint fails if the engine does not know a setting of a connection.
func (d *Docker) knowsEndpoint(ctx context.Context, net string, ep *network.EndpointSettings) error {
	return d.knows(ctx, append(endpointNeeds(net, ep), need{used: ep.MacAddress != "", what: "networks." + net + ".mac_address", api: "1.44"}))
}

// knowsNetwork fails if the engine does not know a setting of a network.
func (d *Docker) knowsNetwork(ctx context.Context, o network.CreateOptions) error {
	return d.knows(ctx, []need{{used: o.EnableIPv4 != nil && !*o.EnableIPv4, what: "enable_ipv4: false", api: "1.48"}})
}

// knows asks the engine for its version only if one of the settings is used. There is nobody to warn, so all are errors.
func (d *Docker) knows(ctx context.Context, needs []need) error {
	needs = slices.DeleteFunc(needs, func(n need) bool { return !n.used })
	if len(needs) == 0 {
		return nil
	}
	version, err := d.version(ctx)
	if err != nil {
		return err
	}
	for i := range needs {
		needs[i].warns = false
	}
	_, err = check(needs, version)
	return err
}
