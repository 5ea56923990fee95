package profiles

import (
	"maps"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/network"

	"github.com/lyandev/lyandev/services/compose"
)

// networks puts the pod into the service's networks that plain services are in, under the names that it has there in Compose, so that a
// service that gets Kubernetes' semantics is still found by all its neighbours. Pods find each other in the stack's network.
func (p *pod) networks(s types.ServiceConfig) {
	for _, key := range slices.Sorted(maps.Keys(s.Networks)) {
		if key == "default" {
			continue
		}
		if !p.c.plainIn(key) {
			p.c.note(keyPath{"services", s.Name, "networks", key}, "approximated: there is one network; all pods can reach each other")
			continue
		}
		name := p.c.networkName(key)
		i := slices.IndexFunc(p.joins, func(a compose.Attachment) bool { return a.Network == name })
		if i < 0 {
			i = len(p.joins)
			p.joins = append(p.joins, compose.Attachment{Network: name})
		}
		names := (&plain{c: p.c, s: s}).aliases(s.Networks[key])
		p.joins[i].Settings = network.EndpointSettings{Aliases: appendNew(p.joins[i].Settings.Aliases, names...)}
	}
}

// plainIn reports whether a plain service is in a network.
func (c *converter) plainIn(key string) bool {
	for n, plain := range c.plain {
		s := c.project.Services[n]
		if _, in := s.Networks[key]; plain && in && s.Provider == nil {
			return true
		}
	}
	return false
}

// annotateNetworks records the networks that the pod joins.
func (p *pod) annotateNetworks() {
	if len(p.joins) == 0 || p.spec.HostNetwork {
		return
	}
	text, err := compose.EncodeNetworks(p.joins)
	if err != nil {
		p.c.bad(keyPath{"services", p.service, "networks"}, "", "%v", err)
		return
	}
	p.meta.Annotations[compose.NetworksAnnotation] = text
}
