package compose

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"
)

// OneOff says in what a one-off container of a service differs from the service's own, as the options of `docker compose run` do.
// An empty field leaves what the service has.
type OneOff struct {
	// Name is the container's name.
	Name string `json:"name,omitempty"`
	// Command replaces the command. Entrypoint replaces the entrypoint and, if Command is empty, drops the command.
	Command    []string `json:"command,omitempty"`
	Entrypoint []string `json:"entrypoint,omitempty"`
	// Env are NAME=VALUE, added to the service's environment.
	Env        []string          `json:"env,omitempty"`
	User       string            `json:"user,omitempty"`
	WorkingDir string            `json:"workingDir,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
	CapAdd     []string          `json:"capAdd,omitempty"`
	CapDrop    []string          `json:"capDrop,omitempty"`
	// Volumes are SOURCE:TARGET[:OPTIONS] with an absolute source or the name of a volume, or TARGET for an anonymous volume. One
	// replaces what the service mounts at the same path.
	Volumes []string `json:"volumes,omitempty"`
	// Publish are ports to publish, as in Docker: [[IP:]HOST:]CONTAINER[/PROTOCOL]. The default address is 127.0.0.1.
	Publish []string `json:"publish,omitempty"`
	// ServicePorts publishes the service's ports. UseAliases gives the container the service's names in its networks.
	ServicePorts bool `json:"servicePorts,omitempty"`
	UseAliases   bool `json:"useAliases,omitempty"`
	// TTY gives the container a terminal, Stdin an open standard input.
	TTY   bool `json:"tty,omitempty"`
	Stdin bool `json:"stdin,omitempty"`
	// Remove lets the engine remove the container when it has ended.
	Remove bool `json:"remove,omitempty"`
}

// OneOff returns the container of a service changed by options. Whatever would collide with the service's own containers is left
// out: the container's name, ports, static addresses and names in networks, and the restart policy. published are the ports that
// ServicePorts publishes besides those in Host. It is pure.
func (c *Container) OneOff(o OneOff, published nat.PortMap) (*Container, error) {
	out := *c
	out.Name, out.PreStart, out.PostStart = o.Name, nil, nil
	out.process(o)
	out.Host.RestartPolicy, out.Host.AutoRemove = container.RestartPolicy{}, o.Remove
	out.Host.CapAdd = append(slices.Clone(c.Host.CapAdd), o.CapAdd...)
	out.Host.CapDrop = append(slices.Clone(c.Host.CapDrop), o.CapDrop...)
	if err := out.ports(o, published); err != nil {
		return nil, err
	}
	for _, v := range o.Volumes {
		if err := out.mount(v); err != nil {
			return nil, err
		}
	}
	out.Networks = slices.Clone(c.Networks)
	for i := range out.Networks {
		out.Networks[i].Settings.IPAMConfig = nil
		if !o.UseAliases {
			out.Networks[i].Settings.Aliases = nil
		}
	}
	return &out, nil
}

// process applies what is about the main process.
func (c *Container) process(o OneOff) {
	f := &c.Config
	if len(o.Entrypoint) > 0 {
		f.Entrypoint, f.Cmd = o.Entrypoint, nil
	}
	if len(o.Command) > 0 {
		f.Cmd = o.Command
	}
	if o.User != "" {
		f.User = o.User
	}
	if o.WorkingDir != "" {
		f.WorkingDir = o.WorkingDir
	}
	f.Env = slices.Clone(f.Env)
	for _, e := range o.Env {
		name, _, _ := strings.Cut(e, "=")
		f.Env = append(slices.DeleteFunc(f.Env, func(x string) bool { return x == name || strings.HasPrefix(x, name+"=") }), e)
	}
	f.Labels = maps.Clone(f.Labels)
	if f.Labels == nil {
		f.Labels = map[string]string{}
	}
	maps.Copy(f.Labels, o.Labels)
	f.Tty, f.OpenStdin, f.StdinOnce, f.AttachStdin = o.TTY, o.Stdin, o.Stdin, o.Stdin
	f.AttachStdout, f.AttachStderr = true, true
}

func (c *Container) ports(o OneOff, published nat.PortMap) error {
	bindings := nat.PortMap{}
	if o.ServicePorts {
		maps.Copy(bindings, c.Host.PortBindings)
		maps.Copy(bindings, published)
	}
	_, more, err := nat.ParsePortSpecs(o.Publish)
	if err != nil {
		return fmt.Errorf("cannot publish %s: %w", strings.Join(o.Publish, ", "), err)
	}
	for port, list := range more {
		for _, b := range list {
			if b.HostIP == "" {
				b.HostIP = "127.0.0.1"
			}
			bindings[port] = append(slices.Clone(bindings[port]), b)
		}
	}
	c.Config.ExposedPorts = maps.Clone(c.Config.ExposedPorts)
	for port := range bindings {
		if c.Config.ExposedPorts == nil {
			c.Config.ExposedPorts = nat.PortSet{}
		}
		c.Config.ExposedPorts[port] = struct{}{}
	}
	c.Host.PortBindings, c.Host.PublishAllPorts = bindings, false
	return nil
}

// mount adds a volume in the place of what is mounted at its target.
func (c *Container) mount(v string) error {
	parts := strings.Split(v, ":")
	target := parts[0]
	if len(parts) > 1 {
		target = parts[1]
	}
	if len(parts) > 3 || !strings.HasPrefix(target, "/") {
		return fmt.Errorf("cannot mount %q: it must be SOURCE:TARGET[:OPTIONS] or TARGET, and TARGET an absolute path", v)
	}
	h := &c.Host
	h.Binds = slices.DeleteFunc(slices.Clone(h.Binds), func(b string) bool {
		p := strings.Split(b, ":")
		return len(p) > 1 && p[1] == target
	})
	h.Mounts = slices.Clone(h.Mounts)
	for i := len(h.Mounts) - 1; i >= 0; i-- {
		if h.Mounts[i].Target == target {
			h.Mounts = slices.Delete(h.Mounts, i, i+1)
		}
	}
	h.Tmpfs, c.Config.Volumes = maps.Clone(h.Tmpfs), maps.Clone(c.Config.Volumes)
	delete(h.Tmpfs, target)
	delete(c.Config.Volumes, target)
	if len(parts) > 1 {
		h.Binds = append(h.Binds, v)
		return nil
	}
	if c.Config.Volumes == nil {
		c.Config.Volumes = map[string]struct{}{}
	}
	c.Config.Volumes[target] = struct{}{}
	return nil
}
