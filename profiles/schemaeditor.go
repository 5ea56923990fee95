package profiles

import (
	"maps"
	"slices"
	"strings"
)

// What makes FileSchema fit for editors: a fragment in a profile needs nothing of what a whole service needs, a variable can stand
// for a number or a word, and what an editor shows about a key is said beside the key.

// fragmentPrefix begins the names of the definitions for the fragments of profiles.
const fragmentPrefix = "fragment."

// fragments makes schemas of parts of a file out of the schemas of whole ones.
type fragments struct {
	// defs are the definitions of the file's schema. Those for fragments are added to them.
	defs map[string]any
}

// of returns a copy of a schema without "required". Conditions stay as they are.
func (f fragments) of(node any) any {
	switch n := node.(type) {
	case []any:
		out := make([]any, len(n))
		for i, v := range n {
			out[i] = f.of(v)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(n))
		for key, v := range n {
			_, isList := v.([]any)
			switch {
			case key == "required" && isList, key == "anyOf" && isList && onlyRequired(v.([]any)):
			case key == "if":
				out[key] = v
			default:
				out[key] = f.of(v)
			}
		}
		if ref, ok := n["$ref"].(string); ok {
			out["$ref"] = f.reference(ref)
		}
		return out
	}
	return node
}

// onlyRequired reports whether alternatives differ only in which keys they need.
func onlyRequired(alternatives []any) bool {
	return !slices.ContainsFunc(alternatives, func(a any) bool {
		m, _ := a.(map[string]any)
		return len(m) != 1 || m["required"] == nil
	})
}

// reference returns a reference to the fragment of a definition, which it makes if there is none. Kubernetes' types need nothing.
func (f fragments) reference(ref string) string {
	name := strings.TrimPrefix(ref, definitionsPath)
	if strings.HasPrefix(name, kubernetesPrefix) {
		return ref
	}
	fragment := fragmentPrefix + name
	if _, made := f.defs[fragment]; !made {
		f.defs[fragment] = true // for definitions that refer to themselves
		f.defs[fragment] = f.of(f.defs[name])
	}
	return definitionsPath + fragment
}

// profile makes the schemas of the fragments in a profile.
func (f fragments) profile(properties, file map[string]any) {
	for _, key := range fragmentKeys {
		fragment := f.of(file[key]).(map[string]any)
		if text := properties[key].(map[string]any)["description"]; text != nil {
			fragment["description"] = text
		}
		properties[key] = fragment
	}
	top := f.defs[fragmentPrefix+extensionPrefix+"top"].(map[string]any)["properties"].(map[string]any)
	for _, key := range []string{versionKey, "profiles", "defaultProfile"} {
		delete(top, key)
	}
}

// orVariable accepts a text with a variable wherever a number, a boolean, one of some words or a text of a certain form is
// required. What exactly one of several schemas must accept, one or more may accept then.
func orVariable(node any) any {
	return rewrite(node, func(m map[string]any) any {
		if list, ok := m["oneOf"].([]any); ok && m["anyOf"] == nil {
			delete(m, "oneOf")
			m["anyOf"] = list
		}
		if !refusesVariables(m) {
			return m
		}
		inner, outer := map[string]any{}, map[string]any{}
		for key, v := range m {
			if key == "description" || key == "default" {
				outer[key] = v
			} else {
				inner[key] = v
			}
		}
		outer["anyOf"] = []any{inner, map[string]any{"type": "string", "pattern": `\$`}}
		return outer
	})
}

// refusesVariables reports whether a schema is that of a plain value, but not of any text.
func refusesVariables(m map[string]any) bool {
	_, choice := m["enum"].([]any)
	_, form := m["pattern"].(string)
	types, _ := m["type"].([]any)
	if one, ok := m["type"].(string); ok {
		types = []any{one}
	}
	if choice || form {
		return true
	}
	plain := slices.ContainsFunc(types, func(t any) bool { return t == "integer" || t == "number" || t == "boolean" })
	return plain && !slices.Contains(types, any("string"))
}

// describePlaces puts the description and the type of a definition at each place that refers to it, unless the place has its own. An
// editor that finds both descriptions shows the definition's ("Probe describes a health check" for liveness and for readiness),
// and completes a key without a type as "key" instead of "key: ". Titles go: editors show them in front of every description.
func describePlaces(node any, defs map[string]any) any {
	from := maps.Clone(defs)
	for name, def := range from {
		def := maps.Clone(def.(map[string]any))
		delete(def, "description")
		defs[name] = def
	}
	return rewrite(node, func(m map[string]any) any {
		if _, ok := m["title"].(string); ok {
			delete(m, "title")
		}
		ref, _ := m["$ref"].(string)
		if ref == "" {
			return withoutNesting(m)
		}
		def, _ := from[strings.TrimPrefix(ref, definitionsPath)].(map[string]any)
		link := []any{map[string]any{"$ref": ref}}
		place := map[string]any{}
		for _, key := range []string{"description", "type"} {
			if def[key] != nil {
				place[key] = def[key]
			}
		}
		if place["type"] == nil {
			place["anyOf"] = link // the same as allOf for one schema, and an editor completes a value of any type
		} else {
			place["allOf"] = link
		}
		return place
	})
}

// withoutNesting makes the reference in an allOf, which has just become a place of its own, a part of the place around it.
func withoutNesting(m map[string]any) any {
	list, _ := m["allOf"].([]any)
	if len(list) != 1 || m["anyOf"] != nil {
		return m
	}
	inner, _ := list[0].(map[string]any)
	if inner["allOf"] == nil && inner["anyOf"] == nil {
		return m
	}
	delete(m, "allOf")
	for key, v := range inner {
		if m[key] == nil {
			m[key] = v
		}
	}
	return m
}
