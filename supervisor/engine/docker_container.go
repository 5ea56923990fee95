package engine

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/go-connections/nat"
	"golang.org/x/sync/errgroup"
)

// CreateContainer implements Containers.
func (d *Docker) CreateContainer(ctx context.Context, spec ContainerSpec) (string, error) {
	for _, m := range spec.Mounts {
		if m.SubPath != "" && m.Volume != "" {
			return "", wrap(ErrUnsupported, "mount %s of volume %s in container %s", m.SubPath, m.Volume, spec.Name)
		}
	}
	if spec.Exact != nil {
		return d.createExact(ctx, spec)
	}
	conf, host, net := translate(spec)
	placeMAC(conf, net, d.api.ClientVersion())
	r, err := within(ctx, workLimit, func(ctx context.Context) (container.CreateResponse, error) {
		return d.api.ContainerCreate(ctx, conf, host, net, nil, spec.Name)
	})
	if err != nil {
		return "", wrap(err, "create container %s from image %s", spec.Name, spec.Image)
	}
	if spec.Warn != nil {
		for _, text := range r.Warnings {
			spec.Warn(text)
		}
	}
	return r.ID, nil
}

// translate converts a spec to the three parts of the create call. It is pure.
func translate(s ContainerSpec) (*container.Config, *container.HostConfig, *network.NetworkingConfig) {
	conf := &container.Config{
		Image: s.Image, Labels: s.Labels, Entrypoint: s.Entrypoint, Cmd: s.Cmd, Env: s.Env, WorkingDir: s.WorkingDir,
		User: s.User, Hostname: s.Hostname, Tty: s.TTY, OpenStdin: s.Stdin, StopSignal: s.StopSignal,
		ExposedPorts: nat.PortSet{},
	}
	logSize := s.LogMaxSize
	if logSize == "" {
		logSize = "10m"
	}
	host := &container.HostConfig{
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyMode(s.RestartPolicy)},
		LogConfig:     container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": logSize, "max-file": "5"}},
		DNSSearch:     s.DNSSearch, DNSOptions: s.DNSOptions, ExtraHosts: s.ExtraHosts, GroupAdd: s.GroupAdd,
		Privileged: s.Privileged, ReadonlyRootfs: s.ReadOnlyRootFS, CapAdd: s.CapAdd, CapDrop: s.CapDrop,
		SecurityOpt: s.SecurityOpt, Sysctls: s.Sysctls, ShmSize: s.ShmBytes, PidMode: container.PidMode(s.PIDMode),
		PortBindings: nat.PortMap{},
		Resources:    container.Resources{CPUShares: s.CPUShares, Memory: s.MemoryBytes},
	}
	if s.CPUQuota > 0 {
		host.CPUPeriod, host.CPUQuota = 100000, s.CPUQuota
	}
	if s.PidsLimit > 0 {
		host.PidsLimit = &s.PidsLimit
	}
	if s.Init {
		host.Init = &s.Init
	}
	for _, a := range s.DNS {
		host.DNS = append(host.DNS, a.String())
	}
	for _, b := range s.Publish {
		p := nat.Port(strconv.Itoa(int(b.ContainerPort)) + "/" + protocol(b.Protocol))
		conf.ExposedPorts[p] = struct{}{}
		hp := ""
		if b.HostPort != 0 {
			hp = strconv.Itoa(int(b.HostPort))
		}
		host.PortBindings[p] = append(host.PortBindings[p], nat.PortBinding{HostIP: b.HostIP.String(), HostPort: hp})
	}
	for _, m := range s.Mounts {
		if m.Tmpfs && m.TmpfsGroup != nil {
			host.Tmpfs = withTmpfs(host.Tmpfs, m)
			continue
		}
		host.Mounts = append(host.Mounts, translateMount(m))
	}
	net := &network.NetworkingConfig{}
	switch {
	case s.NetworkContainer != "":
		host.NetworkMode = container.NetworkMode("container:" + s.NetworkContainer)
		conf.Hostname, conf.ExposedPorts, host.ExtraHosts = "", nil, nil // those of the other container apply
		host.DNS, host.DNSSearch, host.DNSOptions = nil, nil, nil
	case s.Network != "":
		host.NetworkMode = container.NetworkMode(s.Network)
		ep := &network.EndpointSettings{Aliases: s.Aliases}
		conf.MacAddress = s.MAC //nolint:staticcheck // see placeMAC
		if s.IP.IsValid() {
			ep.IPAMConfig = &network.EndpointIPAMConfig{IPv4Address: s.IP.String()}
		}
		net.EndpointsConfig = map[string]*network.EndpointSettings{s.Network: ep}
	default:
		host.NetworkMode = "none"
	}
	return conf, host, net
}

// placeMAC puts the hardware address where the API version expects it: in the network settings from 1.44 on, in the
// container's before.
func placeMAC(conf *container.Config, net *network.NetworkingConfig, version string) {
	if versions.LessThan(version, "1.44") {
		return
	}
	for _, ep := range net.EndpointsConfig {
		ep.MacAddress = conf.MacAddress //nolint:staticcheck // see above
	}
	conf.MacAddress = "" //nolint:staticcheck // see above
}

func translateMount(m Mount) mount.Mount {
	switch {
	case m.Tmpfs:
		return mount.Mount{
			Type: mount.TypeTmpfs, Target: m.Target,
			TmpfsOptions: &mount.TmpfsOptions{SizeBytes: m.TmpfsBytes, Mode: 0o1777},
		}
	case m.Bind != "":
		return mount.Mount{Type: mount.TypeBind, Source: m.Bind, Target: m.Target, ReadOnly: m.ReadOnly}
	}
	return mount.Mount{
		Type: mount.TypeVolume, Source: m.Volume, Target: m.Target, ReadOnly: m.ReadOnly,
		VolumeOptions: &mount.VolumeOptions{NoCopy: m.NoCopy},
	}
}

// withTmpfs adds a tmpfs with a group, which a mount of the API cannot have before 1.46.
func withTmpfs(all map[string]string, m Mount) map[string]string {
	if all == nil {
		all = map[string]string{}
	}
	all[m.Target] = fmt.Sprintf("mode=2777,gid=%d", *m.TmpfsGroup)
	if m.TmpfsBytes > 0 {
		all[m.Target] += fmt.Sprintf(",size=%d", m.TmpfsBytes)
	}
	return all
}

func protocol(p string) string {
	if p == "" {
		return "tcp"
	}
	return strings.ToLower(p)
}

// StartContainer implements Containers.
func (d *Docker) StartContainer(ctx context.Context, id string) error {
	err := do(ctx, workLimit, func(ctx context.Context) error { return d.api.ContainerStart(ctx, id, container.StartOptions{}) })
	return wrap(err, "start container %s", short(id))
}

// StopContainer implements Containers. Engines below API 1.42 ignore the signal of the stop call. For these, a signal other
// than the image's is sent by a kill call, and the stop call only waits and sends SIGKILL.
func (d *Docker) StopContainer(ctx context.Context, id, signal string, grace time.Duration) error {
	if signal != "" {
		if err := d.KillContainer(ctx, id, signal); err != nil {
			return err
		}
		if d.waitStopped(ctx, id, grace) {
			return nil
		}
		if err := d.KillContainer(ctx, id, "SIGKILL"); err != nil {
			return err
		}
		if d.waitStopped(ctx, id, 10*time.Second) {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return wrap(err, "stop container %s", short(id))
		}
		return fmt.Errorf("cannot stop container %s: it is still there 10 s after SIGKILL", short(id))
	}
	opts := container.StopOptions{}
	limit := max(grace, 0) + workLimit
	if grace >= 0 {
		secs := int(math.Ceil(grace.Seconds()))
		opts.Timeout = &secs
	} else if c, err := d.inspect(ctx, id); err == nil && c.Config.StopTimeout != nil {
		limit += time.Duration(*c.Config.StopTimeout) * time.Second
	}
	err := do(ctx, limit, func(ctx context.Context) error { return d.api.ContainerStop(ctx, id, opts) })
	if IsNotFound(err) {
		return nil
	}
	return wrap(err, "stop container %s", short(id))
}

func (d *Docker) waitStopped(ctx context.Context, id string, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ch, errs := d.api.ContainerWait(ctx, id, container.WaitConditionNotRunning)
	select {
	case <-ch:
		return true
	case err := <-errs:
		return IsNotFound(err)
	}
}

// KillContainer implements Containers. Docker answers 409 for a container that does not run.
func (d *Docker) KillContainer(ctx context.Context, id, signal string) error {
	err := do(ctx, answerLimit, func(ctx context.Context) error { return d.api.ContainerKill(ctx, id, signal) })
	if IsNotFound(err) || IsConflict(err) {
		return nil
	}
	return wrap(err, "send %s to container %s", signal, short(id))
}

// PauseContainer implements Containers. It waits until commands that this process is starting in the container have started;
// see execGate.
func (d *Docker) PauseContainer(ctx context.Context, id string) error {
	open, err := d.gate.shut(ctx, id, d.execBegun)
	if err != nil {
		return wrap(err, "pause container %s while a command is starting in it", short(id))
	}
	defer open()
	err = do(ctx, answerLimit, func(ctx context.Context) error { return d.api.ContainerPause(ctx, id) })
	return wrap(err, "pause container %s", short(id))
}

// UnpauseContainer implements Containers.
func (d *Docker) UnpauseContainer(ctx context.Context, id string) error {
	err := do(ctx, answerLimit, func(ctx context.Context) error { return d.api.ContainerUnpause(ctx, id) })
	return wrap(err, "unpause container %s", short(id))
}

// RemoveContainer implements Containers. If a removal is already in progress (409) it waits for that, 10 s at most.
func (d *Docker) RemoveContainer(ctx context.Context, id string) error {
	return d.remove(ctx, id, true)
}

// RemoveContainerOnly implements Containers.
func (d *Docker) RemoveContainerOnly(ctx context.Context, id string) error {
	return d.remove(ctx, id, false)
}

func (d *Docker) remove(ctx context.Context, id string, volumes bool) error {
	for i := 0; ; i++ {
		err := do(ctx, workLimit, func(ctx context.Context) error {
			return d.api.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: volumes})
		})
		switch {
		case err == nil || IsNotFound(err):
			return nil
		case !IsConflict(err) || i == 100:
			return wrap(err, "remove container %s", short(id))
		}
		select {
		case <-ctx.Done():
			return wrap(ctx.Err(), "remove container %s", short(id))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// RenameContainer implements Containers.
func (d *Docker) RenameContainer(ctx context.Context, id, name string) error {
	err := do(ctx, answerLimit, func(ctx context.Context) error { return d.api.ContainerRename(ctx, id, name) })
	return wrap(err, "rename container %s to %s", short(id), name)
}

// ListContainers implements Containers. Docker's list call returns neither exit codes nor parseable times, so each container
// is inspected; one that is removed in between is left out.
func (d *Docker) ListContainers(ctx context.Context, labels map[string]string) ([]Container, error) {
	return d.ListContainersWith(ctx, labels, func(map[string]string) bool { return true })
}

// ListContainersWith is ListContainers for those containers whose labels want says yes to. The others cost no call.
func (d *Docker) ListContainersWith(ctx context.Context, labels map[string]string, want func(labels map[string]string) bool) ([]Container, error) {
	list, err := within(ctx, answerLimit, func(ctx context.Context) ([]container.Summary, error) {
		return d.api.ContainerList(ctx, container.ListOptions{All: true, Filters: labelFilter(labels)})
	})
	if err != nil {
		return nil, wrap(err, "list containers")
	}
	list = slices.DeleteFunc(list, func(c container.Summary) bool { return !want(c.Labels) })
	found := make([]*Container, len(list))
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(listedAtOnce)
	for i, c := range list {
		g.Go(func() error {
			full, err := d.InspectContainer(inner, c.ID)
			if err == nil {
				found[i] = &full
			} else if IsNotFound(err) {
				err = nil // it was removed meanwhile
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	out := make([]Container, 0, len(list))
	for _, c := range found {
		if c != nil {
			out = append(out, *c)
		}
	}
	return out, nil
}

// listedAtOnce is how many containers of a list are asked for their details at the same time.
const listedAtOnce = 8

func (d *Docker) inspect(ctx context.Context, id string) (container.InspectResponse, error) {
	return within(ctx, answerLimit, func(ctx context.Context) (container.InspectResponse, error) {
		return d.api.ContainerInspect(ctx, id)
	})
}

// CopyTo implements Containers.
func (d *Docker) CopyTo(ctx context.Context, id, dir string, tar io.Reader) error {
	err := d.api.CopyToContainer(ctx, id, dir, tar, container.CopyToContainerOptions{})
	return wrap(err, "copy files to %s of container %s", dir, short(id))
}

// CopyFrom implements Containers.
func (d *Docker) CopyFrom(ctx context.Context, id, path string) (io.ReadCloser, error) {
	rc, _, err := d.api.CopyFromContainer(ctx, id, path)
	return rc, wrap(err, "copy %s from container %s", path, short(id))
}

func labelFilter(labels map[string]string) filters.Args {
	f := filters.NewArgs()
	for k, v := range labels {
		if v == "" {
			f.Add("label", k)
		} else {
			f.Add("label", k+"="+v)
		}
	}
	return f
}

// parseTime parses Docker's times. Docker's zero time ("0001-01-01...") and invalid text give the zero Time.
func parseTime(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Year() <= 1 {
		return time.Time{}
	}
	return t.UTC()
}

func short(id string) string {
	if len(id) == 64 {
		return id[:12]
	}
	return id
}
