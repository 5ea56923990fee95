package throwaway

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
)

// changePlain changes what Docker is asked for a plain service. Other workloads stay as they are.
func changePlain(w *services.Workload, change func(c *compose.Container)) error {
	text, plain := w.PodMeta().Annotations[compose.Annotation]
	if !plain {
		return nil
	}
	c, err := compose.Decode(text, compose.Project)
	if err == nil {
		change(c)
		text, err = c.Encode()
	}
	if err != nil {
		return fmt.Errorf("%s: service %s: %w", w.Source, w.DisplayName(), err)
	}
	w.PodMeta().Annotations = maps.Clone(w.PodMeta().Annotations)
	w.PodMeta().Annotations[compose.Annotation] = text
	return nil
}

// isolatePlain removes what only one container of the engine can have: container_name, which stays an alias in the copy's networks,
// and host ports of its own, for which the engine chooses free ones.
func isolatePlain(c *compose.Container) {
	if c.Name != "" && c.Name != compose.Project {
		for i := range c.Networks {
			c.Networks[i].Settings.Aliases = append(c.Networks[i].Settings.Aliases, c.Name)
		}
		c.Name = ""
	}
	for port, bindings := range c.Host.PortBindings {
		free := slices.Clone(bindings)
		for i := range free {
			free[i] = nat.PortBinding{HostIP: loopback}
		}
		c.Host.PortBindings[port] = free
	}
}

// runOnce makes of a service's container one that runs a test command: nobody restarts it, no name leads to it, and it has no
// addresses or host ports of its own.
func runOnce(c *compose.Container, name string, cmd services.TestCommand) {
	c.Name = compose.Project + "-" + name
	c.Config.Entrypoint, c.Config.Cmd = cmd.Command, nil
	c.Config.Healthcheck = &container.HealthConfig{Test: []string{"NONE"}}
	c.Config.Tty, c.Config.OpenStdin, c.Config.StdinOnce, c.Config.ExposedPorts = false, false, false, nil
	c.Config.Env = slices.DeleteFunc(c.Config.Env, func(e string) bool {
		key, _, _ := strings.Cut(e, "=")
		_, set := cmd.Env[key]
		return set
	})
	for _, key := range slices.Sorted(maps.Keys(cmd.Env)) {
		c.Config.Env = append(c.Config.Env, key+"="+cmd.Env[key])
	}
	c.Host.RestartPolicy, c.Host.PortBindings = container.RestartPolicy{}, nil
	for i := range c.Networks {
		links := c.Networks[i].Settings.Links
		c.Networks[i].Settings = network.EndpointSettings{Links: links}
	}
	c.PreStart, c.PostStart, c.PreStop = nil, nil, nil
}
