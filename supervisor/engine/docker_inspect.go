package engine

import (
	"context"
	"net/netip"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
)

// InspectContainer implements Containers.
func (d *Docker) InspectContainer(ctx context.Context, id string) (Container, error) {
	c, err := d.inspect(ctx, id)
	if err != nil {
		return Container{}, wrap(err, "inspect container %s", short(id))
	}
	return observed(c), nil
}

func observed(c container.InspectResponse) Container {
	out := Container{
		ID: c.ID, Name: strings.TrimPrefix(c.Name, "/"), Image: c.Config.Image, ImageID: c.Image, Labels: c.Config.Labels,
		Env: c.Config.Env, Created: parseTime(c.Created), RestartCount: c.RestartCount, TTY: c.Config.Tty, Stdin: c.Config.OpenStdin,
		IPs: map[string]netip.Addr{}, Networks: map[string]Endpoint{},
		LogPath: c.LogPath,
	}
	if h := c.HostConfig; h != nil {
		out.DNS = h.DNS
		out.RestartPolicy, out.AutoRemove = string(h.RestartPolicy.Name), h.AutoRemove
	}
	if s := c.State; s != nil {
		out.State, out.ExitCode, out.OOMKilled, out.Error, out.PID = s.Status, s.ExitCode, s.OOMKilled, s.Error, s.Pid
		out.Started, out.Exited, out.Restarting = parseTime(s.StartedAt), parseTime(s.FinishedAt), s.Restarting
		out.Health = observedHealth(s.Health)
	}
	if out.RestartPolicy == "" {
		out.RestartPolicy = "no"
	}
	for _, m := range c.Mounts {
		switch m.Type {
		case mount.TypeVolume:
			out.Mounts = append(out.Mounts, Mount{Volume: m.Name, Target: m.Destination, ReadOnly: !m.RW})
		case mount.TypeBind:
			out.Mounts = append(out.Mounts, Mount{Bind: m.Source, Target: m.Destination, ReadOnly: !m.RW})
		}
	}
	if n := c.NetworkSettings; n != nil {
		observeNetworks(&out, n)
	}
	return out
}

func observedHealth(h *container.Health) *Health {
	if h == nil || h.Status == container.NoHealthcheck {
		return nil
	}
	out := &Health{Status: h.Status, FailingStreak: h.FailingStreak}
	if n := len(h.Log); n > 0 && h.Log[n-1] != nil {
		out.LastOutput, out.LastExitCode = h.Log[n-1].Output, h.Log[n-1].ExitCode
	}
	return out
}

func observeNetworks(out *Container, n *container.NetworkSettings) {
	for name, ep := range n.Networks {
		if ep == nil {
			continue
		}
		e := Endpoint{
			NetworkID: ep.NetworkID, IP: addr(ep.IPAddress), IPv6: addr(ep.GlobalIPv6Address), MAC: ep.MacAddress, Aliases: ep.Aliases,
		}
		out.Networks[name] = e
		if e.IP.IsValid() {
			out.IPs[name] = e.IP
		}
	}
	for p, bs := range n.Ports {
		for _, b := range bs {
			hp, _ := strconv.ParseUint(b.HostPort, 10, 16)
			out.Ports = append(out.Ports, PortBinding{
				HostIP: addr(b.HostIP), HostPort: uint16(hp), ContainerPort: uint16(p.Int()), Protocol: p.Proto(),
			})
		}
	}
}
