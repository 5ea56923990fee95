package profiles

import (
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/lyandev/lyandev/services/compose"
)

// provider records a service that a program on the host provides. It has no workload.
func (c *converter) provider(s types.ServiceConfig) {
	p := &compose.Provider{
		Name: s.Name, Type: s.Provider.Type, Options: map[string][]string{}, DependsOn: slices.Sorted(maps.Keys(s.DependsOn)), Source: c.source(s.Name),
	}
	for k, v := range s.Provider.Options {
		p.Options[k] = v
	}
	for _, other := range slices.Sorted(maps.Keys(c.project.Services)) {
		if _, ok := c.project.Services[other].DependsOn[s.Name]; ok {
			p.Dependents = append(p.Dependents, other)
		}
	}
	c.stack.Providers = append(c.stack.Providers, p)
}

// modelEnvironment is the service's environment with the variables of its models: the model's reference and the model runner's
// URL.
func (p *plain) modelEnvironment() types.MappingWithEquals {
	if len(p.s.Models) == 0 {
		return p.s.Environment
	}
	out := types.MappingWithEquals{}
	maps.Copy(out, p.s.Environment)
	for _, key := range slices.Sorted(maps.Keys(p.s.Models)) {
		decl, ok := p.c.project.Models[key]
		if !ok {
			p.c.bad(p.at.with("models", key), didYouMean(key, known(p.c.project.Models)), "there is no model %q", key)
			continue
		}
		prefix := strings.ReplaceAll(strings.ToUpper(key), "-", "_")
		model, endpoint := prefix+"_MODEL", prefix+"_URL"
		if cfg := p.s.Models[key]; cfg != nil {
			model, endpoint = first(cfg.ModelVariable, model), first(cfg.EndpointVariable, endpoint)
		}
		out[model], out[endpoint] = new(decl.Model), new(compose.ModelEndpoint)
		p.c.model(key, decl)
	}
	return out
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (c *converter) model(key string, decl types.ModelConfig) {
	if slices.ContainsFunc(c.stack.Models, func(m *compose.Model) bool { return m.Key == key }) {
		return
	}
	c.stack.Models = append(c.stack.Models, &compose.Model{
		Key: key, Model: decl.Model, ContextSize: decl.ContextSize, RuntimeFlags: decl.RuntimeFlags, Source: c.l.loc.pos("models", key).String(),
	})
	slices.SortFunc(c.stack.Models, func(a, b *compose.Model) int { return strings.Compare(a.Key, b.Key) })
}
