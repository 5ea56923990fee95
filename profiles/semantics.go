package profiles

import (
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// The values of x-lyandev.semantics.
const (
	composeSemantics    = "compose"
	kubernetesSemantics = "kubernetes"
)

// plainKeys are the keys of a service's x-lyandev that a service with Compose's semantics may have. Any other key gives the
// service Kubernetes' semantics.
var plainKeys = []string{"semantics", "ports", "reload", "test", "localhost"}

// containerPorts is the value of x-lyandev.ports that gives a container its own port bindings.
const containerPorts = "container"

// semantics determines which services have Compose's semantics. Services that share a network namespace share a pod if one of
// them has Kubernetes' semantics, and then both have them.
func (c *converter) semantics(names []string) {
	for _, n := range names {
		c.plain[n] = c.isPlain(c.project.Services[n])
	}
	for changed := true; changed; {
		changed = false
		for _, n := range names {
			on, shares := strings.CutPrefix(c.project.Services[n].NetworkMode, types.ServicePrefix)
			if !shares || c.plain[n] == c.plain[on] {
				continue
			}
			switched, other := n, on
			if c.plain[on] {
				switched, other = on, n
			}
			c.note(keyPath{"services", n, "network_mode"}, "%s has Kubernetes' semantics because it shares a pod with %s", switched, other)
			c.plain[n], c.plain[on], changed = false, false, true
		}
	}
}

func (c *converter) isPlain(s types.ServiceConfig) bool {
	if s.Provider != nil {
		return true
	}
	ext, _ := s.Extensions[extensionKey].(map[string]any)
	for key := range ext {
		foreign := !slices.Contains(plainKeys, key)
		if foreign && c.ext[s.Name].Semantics == composeSemantics {
			c.bad(keyPath{"services", s.Name, extensionKey, key}, "remove one of them", "%s needs Kubernetes' semantics, but semantics is compose", key)
		}
		if foreign && c.ext[s.Name].Semantics == "" {
			return false
		}
	}
	if own := c.ext[s.Name].Semantics; own != "" {
		return own == composeSemantics
	}
	return c.top.Semantics != kubernetesSemantics
}
