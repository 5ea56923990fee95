package profiles

import (
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"
	corev1 "k8s.io/api/core/v1"
)

// config sets the fields of Docker's container.Config. The image is that of the pod's container.
func (p *plain) config() {
	s := p.s
	p.out.Config = container.Config{
		Hostname: s.Hostname, Domainname: s.DomainName, User: s.User, ExposedPorts: p.exposed(), Tty: s.Tty, OpenStdin: s.StdinOpen,
		AttachStdout: true, AttachStderr: true, Env: dockerEnv(s.Environment), Labels: maps.Clone(map[string]string(s.Labels)),
		Healthcheck: p.health(), WorkingDir: s.WorkingDir, NetworkDisabled: s.NetworkMode == "disabled", StopSignal: s.StopSignal,
	}
	// An empty list that the file has removes the image's, no list keeps it.
	if s.Entrypoint != nil {
		p.out.Config.Entrypoint = append([]string{}, s.Entrypoint...)
	}
	if s.Command != nil {
		p.out.Config.Cmd = append([]string{}, s.Command...)
	}
	if s.StopGracePeriod != nil {
		p.out.Config.StopTimeout = new(int(time.Duration(*s.StopGracePeriod).Seconds()))
	}
}

// health is Docker's HEALTHCHECK; nil keeps the image's.
func (p *plain) health() *container.HealthConfig {
	h := p.s.HealthCheck
	if h == nil {
		return nil
	}
	get := func(d *types.Duration) time.Duration {
		if d == nil {
			return 0
		}
		return time.Duration(*d)
	}
	out := &container.HealthConfig{
		Test: h.Test, Interval: get(h.Interval), Timeout: get(h.Timeout), StartPeriod: get(h.StartPeriod), StartInterval: get(h.StartInterval),
	}
	if h.Retries != nil {
		out.Retries = int(min(*h.Retries, 1<<31-1))
	}
	if h.Disable {
		out.Test = []string{"NONE"}
	}
	if h.StartInterval != nil && h.StartPeriod == nil {
		p.c.bad(p.at.with("healthcheck", "start_interval"), "add start_period", "start_interval needs start_period, as in Docker Compose")
	}
	return out
}

// portRange is one entry of expose, or a port's target.
type portRange struct {
	first, last int
	proto       string
}

// expose returns the ranges of expose.
func (p *plain) expose() []portRange {
	var out []portRange
	for i, e := range p.s.Expose {
		proto, word := nat.SplitProtoPort(e)
		first, last, err := nat.ParsePortRangeToInt(word)
		if err != nil || word == "" || first < 1 {
			p.c.bad(p.at.with("expose", index(i)), "write for example 8080, 8080/udp or 8080-8090", "%q is not a port", e)
			continue
		}
		out = append(out, portRange{first, last, proto})
	}
	return out
}

func (p *plain) exposed() nat.PortSet {
	out := nat.PortSet{}
	for _, sp := range p.s.Ports {
		out[dockerPort(sp)] = struct{}{}
	}
	for _, r := range p.expose() {
		for n := r.first; n <= r.last; n++ {
			out[nat.Port(strconv.Itoa(n)+"/"+r.proto)] = struct{}{}
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func dockerPort(sp types.ServicePortConfig) nat.Port {
	proto := sp.Protocol
	if proto == "" {
		proto = "tcp"
	}
	return nat.Port(fmt.Sprintf("%d/%s", sp.Target, proto))
}

// containerPorts are the ports for display: those of ports, and the single ones of expose.
func (p *plain) containerPorts() []corev1.ContainerPort {
	var out []corev1.ContainerPort
	seen := map[nat.Port]bool{}
	add := func(name string, port int32, proto string) {
		if key := nat.Port(fmt.Sprintf("%d/%s", port, proto)); !seen[key] {
			seen[key] = true
			out = append(out, corev1.ContainerPort{Name: name, ContainerPort: port, Protocol: protocol(proto)})
		}
	}
	for _, sp := range p.s.Ports {
		add(sp.Name, int32(sp.Target), dockerPort(sp).Proto())
	}
	for _, r := range p.expose() {
		if r.first == r.last {
			add("", int32(r.first), r.proto)
		}
	}
	return out
}
