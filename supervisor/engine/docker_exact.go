package engine

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/versions"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// severalNetworks is the first API version that connects a new container to several networks in the create call.
const severalNetworks = "1.44"

// createExact is CreateContainer for a specification with Exact. On engines without severalNetworks it connects the container to
// the other networks afterwards, and removes it again if that fails.
func (d *Docker) createExact(ctx context.Context, spec ContainerSpec) (string, error) {
	version, err := d.version(ctx)
	if err != nil {
		return "", wrap(err, "create container %s", spec.Name)
	}
	x, err := translateExact(spec, version)
	if err != nil {
		return "", wrap(err, "create container %s from image %s", spec.Name, spec.Image)
	}
	x.conf.Env = withProxies(x.conf.Env, ProxyEnv(d.host))
	r, err := within(ctx, workLimit, func(ctx context.Context) (container.CreateResponse, error) {
		return d.api.ContainerCreate(ctx, x.conf, x.host, x.net, x.platform, spec.Name)
	})
	if err != nil {
		return "", wrap(err, "create container %s from image %s", spec.Name, spec.Image)
	}
	for _, n := range x.later {
		if err := d.ConnectNetwork(ctx, n.Network, r.ID, n.Settings); err != nil {
			return "", errors.Join(err, d.RemoveContainer(context.WithoutCancel(ctx), r.ID))
		}
	}
	if spec.Warn != nil {
		for _, text := range append(x.warnings, r.Warnings...) {
			spec.Warn(text)
		}
	}
	return r.ID, nil
}

// exactCall is the create call of an exact container, and what comes after it.
type exactCall struct {
	conf     *container.Config
	host     *container.HostConfig
	net      *network.NetworkingConfig
	platform *ocispec.Platform
	// later are the networks to connect to after the call.
	later    []NetworkAttachment
	warnings []string
}

// translateExact converts a specification with Exact for an API version. It is pure, and does not change the specification.
func translateExact(spec ContainerSpec, version string) (*exactCall, error) {
	warnings, err := CheckExact(spec.Exact, version)
	if err != nil {
		return nil, err
	}
	conf, host := spec.Exact.Config, spec.Exact.Host
	x := &exactCall{warnings: warnings, conf: &conf, host: &host, platform: parsePlatform(spec.Exact.Platform)}
	conf.Image = spec.Image
	conf.Labels = maps.Clone(conf.Labels)
	if conf.Labels == nil {
		conf.Labels = map[string]string{}
	}
	maps.Copy(conf.Labels, spec.Labels)
	addMounts(&host, spec.Mounts)
	if h := conf.Healthcheck; h != nil && h.StartInterval != 0 && versions.LessThan(version, "1.44") {
		older := *h
		older.StartInterval = 0 // the client would refuse it
		conf.Healthcheck = &older
	}
	nets := slices.Clone(spec.Exact.Networks)
	if err := placeExactMAC(&conf, nets, version); err != nil {
		return nil, err
	}
	if len(nets) == 0 {
		return x, nil
	}
	host.NetworkMode = container.NetworkMode(nets[0].Network)
	now := nets
	if versions.LessThan(version, severalNetworks) {
		now, x.later = nets[:1], nets[1:]
	}
	x.net = &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{}}
	for i := range nets {
		if versions.LessThan(version, "1.48") {
			nets[i].Settings.GwPriority = 0
		}
	}
	for i := range now {
		x.net.EndpointsConfig[now[i].Network] = &now[i].Settings
	}
	return x, nil
}

// addMounts adds mounts, which replace those at the same target.
func addMounts(host *container.HostConfig, more []Mount) {
	host.Mounts, host.Binds = slices.Clone(host.Mounts), slices.Clone(host.Binds)
	for _, m := range more {
		host.Mounts = slices.DeleteFunc(host.Mounts, func(o mount.Mount) bool { return o.Target == m.Target })
		host.Binds = slices.DeleteFunc(host.Binds, func(bind string) bool { return bindTarget(bind) == m.Target })
		host.Mounts = append(host.Mounts, translateMount(m))
	}
}

// bindTarget is the target of SOURCE:TARGET[:OPTIONS], or of TARGET alone.
func bindTarget(bind string) string {
	parts := strings.Split(bind, ":")
	if len(parts) == 1 {
		return parts[0]
	}
	return parts[1]
}

// placeExactMAC puts hardware addresses where the API version expects them: before 1.44 the primary network's is the
// container's, and no other network has one; from 1.44 on each network has its own. nets is changed in place.
func placeExactMAC(conf *container.Config, nets []NetworkAttachment, version string) error {
	if len(nets) == 0 {
		return nil
	}
	wide, primary := conf.MacAddress, &nets[0].Settings //nolint:staticcheck // engines before API 1.44 know no other
	if wide != "" && primary.MacAddress != "" && !strings.EqualFold(wide, primary.MacAddress) {
		return errors.New("the container's mac_address and that of its network " + nets[0].Network + " differ; remove one of them")
	}
	if primary.MacAddress == "" {
		primary.MacAddress = wide
	}
	if !versions.LessThan(version, "1.44") {
		conf.MacAddress = "" //nolint:staticcheck // as above
		return nil
	}
	conf.MacAddress = primary.MacAddress //nolint:staticcheck // as above
	for i := range nets {
		nets[i].Settings.MacAddress = ""
	}
	return nil
}

// parsePlatform parses OS[/ARCH[/VARIANT]].
func parsePlatform(s string) *ocispec.Platform {
	if s == "" {
		return nil
	}
	parts := append(strings.SplitN(s, "/", 3), "", "")
	return &ocispec.Platform{OS: parts[0], Architecture: parts[1], Variant: parts[2]}
}

// version is the API version that the client and the engine have agreed on.
func (d *Docker) version(ctx context.Context) (string, error) {
	return within(ctx, answerLimit, func(ctx context.Context) (string, error) {
		if _, err := d.api.ServerVersion(ctx); err != nil {
			return "", err
		}
		return d.api.ClientVersion(), nil
	})
}
