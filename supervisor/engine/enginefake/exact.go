package enginefake

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	dockertypes "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"

	"github.com/lyandev/lyandev/supervisor/engine"
)

// settings are the parts of a specification that the fake engine obeys, whether it is exact or not.
type settings struct {
	// policy is the restart policy, tries its limit of restarts (0 is none).
	policy     string
	tries      int
	stopSignal string
	grace      time.Duration
	// join is the container whose network it uses.
	join    string
	publish []engine.PortBinding
	mounts  []engine.Mount
	env     []string
	tty     bool
	stdin   bool
	remove  bool
	dns     []string
	health  *dockertypes.HealthConfig
}

// defaultGrace is Docker's stop timeout.
const defaultGrace = 10 * time.Second

func settingsOf(s engine.ContainerSpec) settings {
	out := settings{
		policy: s.RestartPolicy, stopSignal: s.StopSignal, grace: defaultGrace, join: s.NetworkContainer, publish: s.Publish,
		mounts: s.Mounts, env: s.Env, tty: s.TTY, stdin: s.Stdin,
	}
	if x := s.Exact; x != nil {
		out.policy, out.tries = string(x.Host.RestartPolicy.Name), x.Host.RestartPolicy.MaximumRetryCount
		out.stopSignal, out.env, out.tty, out.stdin = x.Config.StopSignal, x.Config.Env, x.Config.Tty, x.Config.OpenStdin
		out.remove, out.health, out.dns = x.Host.AutoRemove, x.Config.Healthcheck, x.Host.DNS
		if x.Config.StopTimeout != nil {
			out.grace = time.Duration(*x.Config.StopTimeout) * time.Second
		}
		out.join = ""
		if x.Host.NetworkMode.IsContainer() {
			out.join = x.Host.NetworkMode.ConnectedContainer()
		}
		out.publish, out.mounts = exactPorts(&x.Host), append(exactMounts(&x.Host), s.Mounts...)
	}
	if out.policy == "" {
		out.policy = "no"
	}
	return out
}

func exactPorts(h *dockertypes.HostConfig) []engine.PortBinding {
	var out []engine.PortBinding
	for port, bindings := range h.PortBindings {
		for _, b := range bindings {
			ip, err := netip.ParseAddr(b.HostIP)
			if err != nil {
				ip = netip.IPv4Unspecified()
			}
			n, _ := strconv.ParseUint(b.HostPort, 10, 16)
			out = append(out, engine.PortBinding{
				HostIP: ip, HostPort: uint16(n), ContainerPort: uint16(port.Int()), Protocol: port.Proto(),
			})
		}
	}
	slices.SortFunc(out, func(a, b engine.PortBinding) int { return int(a.ContainerPort) - int(b.ContainerPort) })
	return out
}

func exactMounts(h *dockertypes.HostConfig) []engine.Mount {
	var out []engine.Mount
	for _, m := range h.Mounts {
		o := engine.Mount{Target: m.Target, ReadOnly: m.ReadOnly}
		switch m.Type {
		case mount.TypeVolume:
			o.Volume, o.Anonymous = m.Source, m.Source == ""
		case mount.TypeBind:
			o.Bind = m.Source
		default:
			o.Tmpfs = m.Type == mount.TypeTmpfs
		}
		out = append(out, o)
	}
	for _, b := range h.Binds {
		parts := strings.Split(b, ":")
		if len(parts) < 2 {
			continue
		}
		o := engine.Mount{Target: parts[1], Volume: parts[0]}
		if strings.HasPrefix(parts[0], "/") {
			o.Volume, o.Bind = "", parts[0]
		}
		out = append(out, o)
	}
	return out
}

// attachments are the networks that a new container is to join, by name; e.mu is held.
func (e *Engine) attachments(s engine.ContainerSpec) map[string]*attachment {
	out := map[string]*attachment{}
	x := s.Exact
	switch {
	case x == nil && s.NetworkContainer != "":
	case x == nil && s.Network != "":
		out[s.Network] = &attachment{static: s.IP, aliases: s.Aliases, mac: s.MAC}
	case x == nil:
		out["none"] = &attachment{}
	case len(x.Networks) > 0:
		for _, n := range x.Networks {
			out[e.networkName(n.Network)] = attachmentOf(n.Settings)
		}
	case x.Host.NetworkMode.IsContainer():
	case x.Host.NetworkMode == "" || x.Host.NetworkMode.IsDefault():
		out["bridge"] = &attachment{}
	default:
		out[e.networkName(string(x.Host.NetworkMode))] = &attachment{}
	}
	return out
}

// networkName is the name of a network given by name or ID.
func (e *Engine) networkName(ref string) string {
	if n := e.findNetwork(ref); n != nil {
		return n.spec.Name
	}
	return ref
}

func attachmentOf(s network.EndpointSettings) *attachment {
	a := &attachment{aliases: slices.Clone(s.Aliases), mac: s.MacAddress}
	if s.IPAMConfig != nil {
		a.static, _ = netip.ParseAddr(s.IPAMConfig.IPv4Address)
		a.static6, _ = netip.ParseAddr(s.IPAMConfig.IPv6Address)
	}
	return a
}

// merged is a specification as its container has it: with the labels of the image and those of an exact configuration.
func merged(spec engine.ContainerSpec, img *imageRecord) engine.ContainerSpec {
	spec = cloneSpec(spec)
	labels := maps.Clone(img.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	if spec.Exact != nil {
		maps.Copy(labels, spec.Exact.Config.Labels)
	}
	maps.Copy(labels, spec.Labels)
	spec.Labels = labels
	return spec
}
