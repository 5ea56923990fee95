package compose

import (
	"maps"
	"slices"
)

// ModelEndpoint stands for the URL of the model runner in a container's environment. It is known only when the model runner was
// asked (`docker model status --json`).
const ModelEndpoint = "@lyandev-model-endpoint@"

// Provider is a service with `provider:`: a program on the host creates it and says which variables its dependents get.
type Provider struct {
	// Name is the service's name as the file has it.
	Name string `json:"name"`
	// Type names the program: a plugin of the Docker CLI, else a program in PATH.
	Type    string              `json:"type"`
	Options map[string][]string `json:"options,omitempty"`
	// DependsOn and Dependents are services: those that the provider waits for, and those whose environment it completes.
	DependsOn  []string `json:"dependsOn,omitempty"`
	Dependents []string `json:"dependents,omitempty"`
	// Source is file:line, for messages.
	Source string `json:"source,omitempty"`
}

// Model is an entry of `models:` that a plain service uses.
type Model struct {
	// Key is the name under models: in the file, Model the reference of the model's artifact.
	Key   string `json:"key"`
	Model string `json:"model"`
	// ContextSize is in tokens; 0 is the model's own.
	ContextSize  int      `json:"contextSize,omitempty"`
	RuntimeFlags []string `json:"runtimeFlags,omitempty"`
	Source       string   `json:"source,omitempty"`
}

// DeepCopy returns an independent copy.
func (p *Provider) DeepCopy() *Provider {
	out := *p
	out.Options = maps.Clone(p.Options)
	for k, v := range out.Options {
		out.Options[k] = slices.Clone(v)
	}
	out.DependsOn, out.Dependents = slices.Clone(p.DependsOn), slices.Clone(p.Dependents)
	return &out
}

// DeepCopy returns an independent copy.
func (m *Model) DeepCopy() *Model {
	out := *m
	out.RuntimeFlags = slices.Clone(m.RuntimeFlags)
	return &out
}
