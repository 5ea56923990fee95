package compat_test

import (
	"path"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/schema"
	"go.yaml.in/yaml/v4"
)

// notCompared are attributes of the specification that no case has, with the reason.
var notCompared = map[string]string{
	"jobs":             "Docker Compose " + composeVersion + " does not know them",
	"services.*.umask": "Docker Compose " + composeVersion + " does not know it",
	"services.*.networks.*.use_service_name_alias":    "Docker Compose " + composeVersion + " does not know it",
	"services.*.pre_start.*":                          "a hook has all attributes of a container, which are compared as those of services",
	"services.*.build.entitlements":                   "it needs a builder that was started with them",
	"services.*.build.cache_to":                       "it needs a builder that exports its cache",
	"services.*.credential_spec.*":                    "Windows",
	"services.*.deploy.resources.*.generic_resources": "for clusters",
	"secrets.*.driver":                                "for clusters",
	"secrets.*.driver_opts":                           "for clusters",
	"secrets.*.template_driver":                       "for clusters",
	"configs.*.template_driver":                       "for clusters",
}

// spec is the schema of the specification.
type spec struct{ defs object }

// parts are the schemas that a node consists of or chooses from, with references followed.
func (s *spec) parts(node any) []object {
	o := asObject(node)
	if o == nil {
		return nil
	}
	all := []object{o}
	if ref := str(o, "$ref"); ref != "" {
		all = append(all, s.parts(s.defs[path.Base(ref)])...)
	}
	for _, key := range []string{"allOf", "oneOf", "anyOf"} {
		for _, n := range asList(o[key]) {
			all = append(all, s.parts(n)...)
		}
	}
	return all
}

// attributes calls f for each attribute below a node, with its path; names that a user chooses are "*".
func (s *spec) attributes(node any, at string, f func(at string)) {
	for _, o := range s.parts(node) {
		for name, n := range asObject(o["properties"]) {
			f(join(at, name))
			if name != "pre_start" {
				s.attributes(n, join(at, name), f)
			}
		}
		for pattern, n := range asObject(o["patternProperties"]) {
			if pattern != "^x-" {
				s.attributes(n, join(at, "*"), f)
			}
		}
		s.attributes(o["items"], at, f)
		s.attributes(o["additionalProperties"], at, f)
	}
}

func join(at, name string) string { return strings.TrimPrefix(at+"."+name, ".") }

// used calls f for each attribute that a YAML node has.
func (s *spec) used(node any, y *yaml.Node, at string, f func(at string)) {
	for y.Kind == yaml.AliasNode {
		y = y.Alias
	}
	for _, o := range s.parts(node) {
		switch y.Kind {
		case yaml.SequenceNode:
			for _, e := range y.Content {
				s.used(o["items"], e, at, f)
			}
		case yaml.MappingNode:
			s.usedKeys(o, y, at, f)
		}
	}
}

func (s *spec) usedKeys(o object, y *yaml.Node, at string, f func(at string)) {
	for i := 0; i+1 < len(y.Content); i += 2 {
		key, value := y.Content[i].Value, y.Content[i+1]
		if n, ok := asObject(o["properties"])[key]; ok {
			f(join(at, key))
			s.used(n, value, join(at, key), f)
			continue
		}
		for pattern, n := range asObject(o["patternProperties"]) {
			if pattern != "^x-" {
				s.used(n, value, join(at, "*"), f)
			}
		}
		s.used(o["additionalProperties"], value, at, f)
	}
}

// TestCoverage checks that each attribute of the Compose specification is in a case.
func TestCoverage(t *testing.T) {
	cases, err := readCases("testdata")
	if err != nil {
		t.Fatal(err)
	}
	root := asObject(decode(schema.Schema))
	s := &spec{defs: asObject(root["$defs"])}
	seen := map[string]bool{}
	for _, c := range cases {
		for name, text := range c.files {
			name = strings.TrimSuffix(name, ".new")
			if !strings.HasSuffix(name, ".yaml") && !strings.HasSuffix(name, ".yml") {
				continue
			}
			var doc yaml.Node
			if err := yaml.Unmarshal([]byte(text), &doc); err != nil || len(doc.Content) == 0 {
				continue // one that is refused
			}
			s.used(root, doc.Content[0], "", func(at string) { seen[at] = true })
		}
	}
	missing := map[string]bool{}
	s.attributes(root, "", func(at string) {
		if !seen[at] && !exempt(at) {
			missing[at] = true
		}
	})
	for _, at := range sortedKeys(missing) {
		t.Errorf("no case has %s", at)
	}
	if len(cases) < 120 {
		t.Errorf("there are %d cases, want at least 120", len(cases))
	}
}

// exempt says whether the attribute, or what it is in, is in notCompared.
func exempt(at string) bool {
	for pattern := range notCompared {
		p, a := strings.Split(pattern, "."), strings.Split(at, ".")
		if len(a) < len(p) {
			continue
		}
		ok := true
		for i := range p {
			ok = ok && (p[i] == "*" || p[i] == a[i])
		}
		if ok {
			return true
		}
	}
	return false
}
