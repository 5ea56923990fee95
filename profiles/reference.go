package profiles

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/tools/txtar"
)

//go:embed schema/examples.txt
var examples []byte

// Key is one key of x-lyandev, as the reference shows it.
type Key struct {
	// InService: it is a key of a service's x-lyandev, else of the one at the top of the file.
	InService bool
	// Path is its place in x-lyandev: probes.readiness, profiles.NAME.extends (NAME is any name), bootstrap[].run.
	Path string
	// Type is what it is: "text", "list of Container (Kubernetes)", "compose or kubernetes". Default is "" if the description says it.
	Type, Default, Description string
	// Fields are the fields of its Kubernetes type, by name. None if it has another type.
	Fields []KeyField
	// Example is a whole file that has the key. Keys that belong together have the same one, and follow each other.
	Example string
}

// KeyField is a field of a Kubernetes object.
type KeyField struct{ Name, Type, Description string }

// Reference returns every key of x-lyandev, in the order in which people should read about them. It is made of the schema and of
// schema/examples.txt.
var Reference = sync.OnceValues(func() ([]Key, error) {
	var schema map[string]any
	if err := json.Unmarshal(extensionSchema, &schema); err != nil {
		return nil, fmt.Errorf("cannot read the schema of %s: %w", extensionKey, err)
	}
	set := &schemaSet{raw: schema}
	var keys []Key
	for _, file := range txtar.Parse(examples).Files {
		where, paths, _ := strings.Cut(file.Name, " ")
		for _, path := range strings.Split(paths, ", ") {
			key := Key{InService: where == "service", Path: path, Example: string(file.Data)}
			node := set.keyAt(key)
			if node == nil {
				return nil, fmt.Errorf("schema/examples.txt names %s %s, which the schema does not have", where, path)
			}
			key.Type, key.Fields = set.typeName(node), fieldsOf(node)
			key.Description, _ = set.inherited(node, "description").(string)
			if d := set.inherited(node, "default"); d != nil {
				key.Default = fmt.Sprint(d)
			}
			keys = append(keys, key)
		}
	}
	return keys, nil
})

// keyAt returns the schema of a key, nil if there is none.
func (s *schemaSet) keyAt(key Key) map[string]any {
	pointer := ""
	if key.InService {
		pointer = "$defs/service"
	}
	node, _ := s.at(pointer).(map[string]any)
	for _, part := range strings.Split(strings.ReplaceAll(key.Path, "[]", ".[]"), ".") {
		node = s.child(node, part)
	}
	return node
}

// child returns the schema below one: of a key, of any key (NAME), or of a list's entries ([]).
func (s *schemaSet) child(node map[string]any, part string) map[string]any {
	node = s.follow(node)
	var below any
	switch part {
	case "NAME":
		below = node["additionalProperties"]
	case "[]":
		below = node["items"]
	default:
		properties, _ := node["properties"].(map[string]any)
		below = properties[part]
	}
	if m, ok := below.(map[string]any); ok {
		return m
	}
	alternatives, _ := node["oneOf"].([]any)
	for _, a := range alternatives {
		if m := s.child(a.(map[string]any), part); m != nil {
			return m
		}
	}
	return nil
}

// follow returns what a reference leads to, or the node itself.
func (s *schemaSet) follow(node map[string]any) map[string]any {
	if ref, ok := node["$ref"].(string); ok {
		if to, ok := s.at(strings.TrimPrefix(ref, "#")).(map[string]any); ok {
			return to
		}
	}
	return node
}

// inherited returns a keyword of a schema, or of what it refers to.
func (s *schemaSet) inherited(node map[string]any, keyword string) any {
	if v, ok := node[keyword]; ok {
		return v
	}
	return s.follow(node)[keyword]
}

// typeName says in words what a schema accepts.
func (s *schemaSet) typeName(node map[string]any) string {
	if name, ok := node[kubernetesKey].(string); ok {
		return kubernetesName(name)
	}
	node = s.follow(node)
	if name, ok := node[kubernetesKey].(string); ok {
		return kubernetesName(name)
	}
	if choice, ok := node["enum"].([]any); ok {
		words := make([]string, len(choice))
		for i, c := range choice {
			words[i] = fmt.Sprint(c)
		}
		return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
	}
	if alternatives, ok := node["oneOf"].([]any); ok {
		var names []string
		for _, a := range alternatives {
			names = append(names, s.typeName(a.(map[string]any)))
		}
		return strings.Join(slices.Compact(names), ", or ")
	}
	if v, ok := node["const"]; ok {
		return fmt.Sprint(v)
	}
	return s.plainType(node)
}

func (s *schemaSet) plainType(node map[string]any) string {
	kind, _ := node["type"].(string)
	if list, ok := node["type"].([]any); ok {
		kind = fmt.Sprint(list[0])
	}
	switch kind {
	case "string":
		return "text"
	case "integer":
		return "number"
	case "boolean":
		return "true or false"
	case "array":
		if items, ok := node["items"].(map[string]any); ok {
			return "list of " + s.typeName(items)
		}
		return "list"
	}
	if each, ok := node["additionalProperties"].(map[string]any); ok {
		return "mapping of names to " + s.typeName(each)
	}
	return "mapping"
}

func kubernetesName(name string) string {
	if name == "spec" {
		return "the spec of the kind (Kubernetes)"
	}
	if element, isList := strings.CutPrefix(name, "[]"); isList {
		return "list of " + element + " (Kubernetes)"
	}
	return name + " (Kubernetes)"
}

// fieldsOf returns the fields of the Kubernetes type that a schema names.
func fieldsOf(node map[string]any) []KeyField {
	name, _ := node[kubernetesKey].(string)
	t := namedTypes[strings.TrimPrefix(name, "[]")]
	if t == nil {
		return nil
	}
	docs, fields := fieldDocs(t), jsonFields(t)
	var out []KeyField
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		out = append(out, KeyField{Name: key, Type: goTypeName(fields[key].Type), Description: docs[key]})
	}
	return out
}
