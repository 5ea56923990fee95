package profiles

import (
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
)

// topExt is the merged top-level x-lyandev. Kubernetes objects stay raw until they are decoded with their position.
type topExt struct {
	// Semantics is "compose" (the default) or "kubernetes".
	Semantics string `json:"semantics"`
	// AllowHostPaths false refuses what a plain service mounts from outside the project directory. Default: true.
	AllowHostPaths *bool `json:"allowHostPaths"`

	Timing     string              `json:"timing"`
	Order      string              `json:"order"`
	ConfigMaps map[string]dataExt  `json:"configMaps"`
	Secrets    map[string]dataExt  `json:"secrets"`
	Services   map[string]mapOfAny `json:"services"`
	Ingresses  map[string]mapOfAny `json:"ingresses"`
	// IngressPort is a number, or a string if it was interpolated; nil means unset.
	IngressPort any                 `json:"ingressPort"`
	Profiles    map[string]mapOfAny `json:"profiles"`
}

type mapOfAny = map[string]any

// dataExt is a ConfigMap or Secret.
type dataExt struct {
	Data stringMap `json:"data"`
	// StringData is for Secrets only. It means the same as Data, whose values are in plain text too; its keys win.
	StringData  stringMap `json:"stringData"`
	Type        string    `json:"type"`
	Labels      stringMap `json:"labels"`
	Annotations stringMap `json:"annotations"`
}

// serviceExt is a service's x-lyandev, merged.
type serviceExt struct {
	// Semantics is "compose", "kubernetes" or "" for what the file and the other keys say.
	Semantics string `json:"semantics"`
	// Ports is "agent" (the default) or "container"; Reload is "", "signal" or "restart". They are for plain services only.
	Ports  string `json:"ports"`
	Reload string `json:"reload"`

	Kind            string                       `json:"kind"`
	Schedule        string                       `json:"schedule"`
	Operator        string                       `json:"operator"`
	Options         stringMap                    `json:"options"`
	RestartOn       []string                     `json:"restartOn"`
	Bootstrap       []bootstrapExt               `json:"bootstrap"`
	Timing          string                       `json:"timing"`
	Test            *testExt                     `json:"test"`
	Service         serviceList                  `json:"service"`
	Labels          stringMap                    `json:"labels"`
	Annotations     stringMap                    `json:"annotations"`
	Env             []corev1.EnvVar              `json:"env"`
	EnvFrom         []corev1.EnvFromSource       `json:"envFrom"`
	Probes          probesExt                    `json:"probes"`
	Lifecycle       *corev1.Lifecycle            `json:"lifecycle"`
	Resources       *corev1.ResourceRequirements `json:"resources"`
	SecurityContext *corev1.SecurityContext      `json:"securityContext"`
	InitContainers  []corev1.Container           `json:"initContainers"`
	Sidecars        []corev1.Container           `json:"sidecars"`
	Pod             any                          `json:"pod"`
	Container       any                          `json:"container"`
	Spec            any                          `json:"spec"`
	VolumeClaims    *[]string                    `json:"volumeClaims"`
	Shim            *bool                        `json:"shim"`
	Localhost       stringMap                    `json:"localhost"`
}

type probesExt struct {
	Liveness  *corev1.Probe `json:"liveness"`
	Readiness *corev1.Probe `json:"readiness"`
	Startup   *corev1.Probe `json:"startup"`
}

type bootstrapExt struct {
	Name      string  `json:"name"`
	Pod       string  `json:"pod"`
	Container string  `json:"container"`
	Check     command `json:"check"`
	Run       command `json:"run"`
	When      string  `json:"when"`
}

func (b bootstrapExt) step() services.BootstrapStep {
	when := b.When
	if when == "" {
		when = "always"
	}
	return services.BootstrapStep{Name: b.Name, Pod: b.Pod, Container: b.Container, Check: b.Check, Run: b.Run, When: when}
}

// stringMap accepts numbers and booleans as strings, like Compose's environment.
type stringMap map[string]string

// UnmarshalJSON reads scalars of any kind.
func (m *stringMap) UnmarshalJSON(raw []byte) error {
	var any map[string]json.RawMessage
	if err := json.Unmarshal(raw, &any); err != nil {
		return err
	}
	*m = make(stringMap, len(any))
	for k, v := range any {
		var s string
		if err := json.Unmarshal(v, &s); err != nil {
			s = string(v)
		}
		(*m)[k] = s
	}
	return nil
}

// command is a list of arguments, or a string that is run by the shell.
type command []string

// UnmarshalJSON reads either form.
func (c *command) UnmarshalJSON(raw []byte) error {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		*c = shell(s)
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(c))
}

func shell(s string) []string { return []string{"/bin/sh", "-c", s} }

// testExt is x-lyandev.test in any of its forms.
type testExt struct{ services.TestCommand }

// UnmarshalJSON reads a string, a list or a mapping.
func (t *testExt) UnmarshalJSON(raw []byte) error {
	var c command
	if json.Unmarshal(raw, &c) == nil {
		t.Command = c
		return nil
	}
	var full struct {
		Command command   `json:"command"`
		Host    bool      `json:"host"`
		Env     stringMap `json:"env"`
	}
	if err := json.Unmarshal(raw, &full); err != nil {
		return err
	}
	t.Command, t.Host, t.Env = full.Command, full.Host, full.Env
	return nil
}

// serviceList is x-lyandev.service: one Service, a list, none (false), or unset.
type serviceList struct {
	set  bool
	list []map[string]any
	// one is true if it was written as a mapping and not as a list, so its path has no index.
	one bool
}

// UnmarshalJSON reads any form.
func (s *serviceList) UnmarshalJSON(raw []byte) error {
	var single map[string]any
	s.set = true
	switch {
	case string(raw) == "false":
		return nil
	case string(raw) == "null":
		s.set = false
		return nil
	case json.Unmarshal(raw, &single) == nil:
		s.list, s.one = []map[string]any{single}, true
		return nil
	}
	return json.Unmarshal(raw, &s.list)
}

func readServiceExt(value any) (serviceExt, error) {
	var ext serviceExt
	if value == nil {
		return ext, nil
	}
	if err := decode(value, &ext); err != nil {
		return ext, fmt.Errorf("cannot read %s: %w", extensionKey, err)
	}
	return ext, nil
}
