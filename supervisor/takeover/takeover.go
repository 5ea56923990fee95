// Package takeover finds the containers that Docker Compose started for a project and that are in the way of a stack, and
// removes them when the user asks for it. Volumes are never touched: the stack goes on with those that Compose made.
package takeover

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-connections/nat"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/network"
	"github.com/lyandev/lyandev/supervisor/resources"
)

// Labels of containers of Docker Compose: the service's name, the container's number in it, and "True" for one of `docker compose run`.
const (
	ServiceLabel = "com.docker.compose.service"
	NumberLabel  = "com.docker.compose.container-number"
	OneOffLabel  = "com.docker.compose.oneoff"
)

// Engine is what the package needs of the engine.
type Engine interface {
	ListContainers(ctx context.Context, labels map[string]string) ([]engine.Container, error)
	// ListContainersWith asks for the details of those only whose labels want says yes to.
	ListContainersWith(ctx context.Context, labels map[string]string, want func(labels map[string]string) bool) ([]engine.Container, error)
	StopContainer(ctx context.Context, id, signal string, grace time.Duration) error
	// RemoveContainerOnly removes a container and keeps its anonymous volumes.
	RemoveContainerOnly(ctx context.Context, id string) error
	InspectNetwork(ctx context.Context, name string) (engine.Network, error)
	RemoveNetwork(ctx context.Context, id string) error
}

// Container is one container that Docker Compose made.
type Container struct {
	engine.Container
	// Why says in what it is in the way of the stack; empty if it is not.
	Why []string
}

// Find lists the containers that Docker Compose made for a project, in any state, by name, and says which are in the way of a
// stack: those with the name of one of its containers, and running ones of a service of the stack or with a host port of it.
func Find(ctx context.Context, eng Engine, project string, stack *services.Stack) ([]Container, error) {
	all, err := eng.ListContainersWith(ctx, map[string]string{resources.ComposeProject: project}, func(labels map[string]string) bool {
		return labels[services.ProjectLabel] == ""
	})
	if err != nil {
		return nil, err
	}
	w, err := wishOf(stack, project)
	if err != nil {
		return nil, err
	}
	var out []Container
	for _, c := range all {
		out = append(out, Container{c, w.obstacles(c)})
	}
	slices.SortFunc(out, func(a, b Container) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// InTheWay are those that keep the stack from running.
func InTheWay(list []Container) (out []Container) {
	for _, c := range list {
		if len(c.Why) > 0 {
			out = append(out, c)
		}
	}
	return out
}

// Remove stops containers, each with its own grace period, all at the same time, and removes them. Then it removes the
// project's default network, if Docker Compose made it, nothing else uses it and the stack is to have one of lyandev's.
func Remove(ctx context.Context, eng Engine, project string, stack *services.Stack, list []Container) error {
	ended := make(chan error, len(list))
	for _, c := range list {
		go func() {
			err := eng.StopContainer(ctx, c.ID, "", -1)
			if err == nil {
				err = eng.RemoveContainerOnly(ctx, c.ID)
			}
			ended <- err
		}()
	}
	var errs []error
	for range list {
		errs = append(errs, <-ended)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("cannot take over project %s from Docker Compose: %w; run `docker compose down`, or try again", project, err)
	}
	return removeDefault(ctx, eng, project, resources.DefaultNetwork(stack, project))
}

func removeDefault(ctx context.Context, eng Engine, project string, want *compose.Network) error {
	if resources.OwnSettings(want, project) != "" {
		return nil
	}
	n, err := eng.InspectNetwork(ctx, want.Name)
	if engine.IsNotFound(err) {
		return nil
	}
	if err != nil || n.Labels[resources.ComposeProject] != project || n.Labels[services.ProjectLabel] != "" {
		return err
	}
	all, err := eng.ListContainers(ctx, nil)
	for _, c := range all {
		if _, in := c.Networks[n.Name]; in {
			return err
		}
	}
	if err != nil {
		return err
	}
	return eng.RemoveNetwork(ctx, n.ID)
}

// wish is what a stack wants for itself.
type wish struct {
	names, services map[string]bool
	ports           []address
}

type address struct {
	at       netip.AddrPort
	protocol string
}

func wishOf(stack *services.Stack, project string) (wish, error) {
	w := wish{names: map[string]bool{project + "-agent": true}, services: map[string]bool{}}
	for _, h := range stack.HostPorts {
		w.port(h.HostIP, h.HostPort, string(h.Protocol))
	}
	for _, x := range stack.Workloads {
		w.services[x.DisplayName()] = true
		if !x.Plain() {
			continue
		}
		c, err := compose.Decode(x.PodMeta().Annotations[compose.Annotation], project)
		if err != nil {
			return w, err
		}
		if c.Name != "" {
			w.names[c.Name] = true
		}
		for i := range x.Replicas() {
			if c.Name == "" {
				w.names[fmt.Sprintf("%s-%s-%d", project, c.Service, i+1)] = true
			}
		}
		w.bindings(c.Host.PortBindings)
	}
	return w, nil
}

// bindings are the ports that a container publishes itself.
func (w *wish) bindings(all nat.PortMap) {
	for port, list := range all {
		for _, b := range list {
			n, _ := strconv.ParseUint(b.HostPort, 10, 16) // a range is the engine's to choose from
			w.port(b.HostIP, int32(n), port.Proto())
		}
	}
}

// port adds a host port; one that the engine chooses is in nobody's way.
func (w *wish) port(ip string, port int32, protocol string) {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		addr = netip.IPv4Unspecified()
	}
	if port > 0 {
		w.ports = append(w.ports, address{netip.AddrPortFrom(addr, uint16(port)), network.ProtocolName(protocol)})
	}
}

// obstacles says in what a container is in the way.
func (w *wish) obstacles(c engine.Container) (why []string) {
	if w.names[c.Name] {
		why = append(why, "has the name of a container of the stack")
	}
	if c.State != engine.StateRunning && c.State != engine.StatePaused && c.State != engine.StateRestarting {
		return why
	}
	if s := c.Labels[ServiceLabel]; w.services[s] {
		why = append(why, "runs service "+s)
	}
	var told []string
	for _, b := range c.Ports {
		p := address{netip.AddrPortFrom(b.HostIP, b.HostPort), network.ProtocolName(b.Protocol)}
		if b.HostPort != 0 && slices.ContainsFunc(w.ports, p.meets) && !slices.Contains(told, p.text()) {
			told = append(told, p.text())
		}
	}
	if len(told) > 0 {
		why = append(why, "publishes "+strings.Join(told, ", "))
	}
	return why
}

// meets says whether two addresses cannot both be listened at.
func (a address) meets(b address) bool {
	x, y := a.at.Addr(), b.at.Addr()
	return a.protocol == b.protocol && a.at.Port() == b.at.Port() && (x == y || x.IsUnspecified() || y.IsUnspecified())
}

func (a address) text() string {
	if strings.EqualFold(a.protocol, "UDP") {
		return a.at.String() + "/udp"
	}
	return a.at.String()
}
