package profiles

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	composeschema "github.com/compose-spec/compose-go/v2/schema"
)

// draft07 is the JSON Schema draft of FileSchema: the newest that all editors' YAML language servers know.
const draft07 = "http://json-schema.org/draft-07/schema#"

// FileSchema returns the JSON schema (draft-07) of the whole file: the Compose specification's schema with x-lyandev at the top
// and in each service. Kubernetes' objects have the fields and the descriptions of Kubernetes' Go types. It is for editors: the
// loader checks more. Where it wants a number, true, false or one of some words, a text with a variable (${NAME}) will do.
func FileSchema() ([]byte, error) {
	raw, err := fileSchema()
	if err != nil {
		return nil, err
	}
	return slices.Clone(raw), nil
}

var fileSchema = sync.OnceValues(func() ([]byte, error) {
	var file, ext map[string]any
	if err := json.Unmarshal([]byte(composeschema.Schema), &file); err != nil {
		return nil, fmt.Errorf("cannot read the schema of the Compose specification: %w", err)
	}
	if err := json.Unmarshal(extensionSchema, &ext); err != nil {
		return nil, fmt.Errorf("cannot read the schema of %s: %w", extensionKey, err)
	}
	k := kubeTypes{defs: map[string]any{}}
	ext = k.replace(prefixRefs(ext)).(map[string]any)
	k.specByKind(ext)

	defs := file["$defs"].(map[string]any)
	for name, def := range ext["$defs"].(map[string]any) {
		defs[extensionPrefix+name] = def
	}
	delete(ext, "$defs")
	delete(ext, "$schema")
	delete(ext, "$id")
	defs[extensionPrefix+"top"] = ext
	maps.Copy(defs, k.defs)

	file = toDraft07(file, defs).(map[string]any)
	file["$schema"] = draft07
	delete(file, "$id")
	defs = file["definitions"].(map[string]any)
	property(file, extensionKey, extensionPrefix+"top")
	property(defs["service"].(map[string]any), extensionKey, extensionPrefix+"service")
	profile := defs[extensionPrefix+"profile"].(map[string]any)["properties"].(map[string]any)
	fragments{defs}.profile(profile, file["properties"].(map[string]any))
	file = orVariable(describePlaces(file, defs)).(map[string]any)
	return json.MarshalIndent(file, "", "  ")
})

// extensionPrefix begins the names of x-lyandev's definitions beside those of the Compose specification.
const extensionPrefix = extensionKey + "."

// definitionsPath begins references to the definitions of a draft-07 schema.
const definitionsPath = "#/definitions/"

// property adds a property that a definition describes to a mapping's schema.
func property(schema map[string]any, key, definition string) {
	old := schema["properties"].(map[string]any)
	old[key] = described(definitionsPath+definition, old[key])
}

// described is a reference with the description of the schema in whose place it comes, if there is one.
func described(ref string, old any) any {
	link := map[string]any{"$ref": ref}
	if m, _ := old.(map[string]any); m["description"] != nil {
		return map[string]any{"description": m["description"], "allOf": []any{link}}
	}
	return link
}

// rewrite returns a copy of a schema with f applied to every mapping, the inner ones first.
func rewrite(node any, f func(map[string]any) any) any {
	switch n := node.(type) {
	case map[string]any:
		out := make(map[string]any, len(n))
		for key, v := range n {
			out[key] = rewrite(v, f)
		}
		return f(out)
	case []any:
		out := make([]any, len(n))
		for i, v := range n {
			out[i] = rewrite(v, f)
		}
		return out
	}
	return node
}

// prefixRefs makes references to x-lyandev's definitions lead to their names in the whole file's schema.
func prefixRefs(node any) any {
	return rewrite(node, func(m map[string]any) any {
		if ref, ok := m["$ref"].(string); ok {
			m["$ref"] = strings.Replace(ref, "#/$defs/", "#/$defs/"+extensionPrefix, 1)
		}
		return m
	})
}

// toDraft07 rewrites what draft-07 lacks: $defs are definitions; what stands beside a $ref would be ignored, so that the $ref
// becomes an allOf; unevaluatedProperties become additionalProperties, for which the properties of allOf are drawn in.
func toDraft07(node any, defs map[string]any) any {
	return rewrite(node, func(m map[string]any) any {
		if d, ok := m["$defs"]; ok {
			m["definitions"] = d
			delete(m, "$defs")
		}
		if closed, ok := m["unevaluatedProperties"]; ok {
			delete(m, "unevaluatedProperties")
			drawIn(m, defs)
			m["additionalProperties"] = closed
		}
		ref, ok := m["$ref"].(string)
		if !ok {
			return m
		}
		m["$ref"] = strings.Replace(ref, "#/$defs/", definitionsPath, 1)
		if len(m) == 1 {
			return m
		}
		link := map[string]any{"$ref": m["$ref"]}
		delete(m, "$ref")
		m["allOf"] = []any{link}
		return m
	})
}

// drawIn makes the properties of the definitions in a schema's allOf its own.
func drawIn(m, defs map[string]any) {
	list, _ := m["allOf"].([]any)
	delete(m, "allOf")
	for _, part := range list {
		ref, _ := part.(map[string]any)["$ref"].(string)
		def, _ := defs[ref[strings.LastIndex(ref, "/")+1:]].(map[string]any)
		def = toDraft07(def, defs).(map[string]any)
		for _, key := range []string{"properties", "patternProperties"} {
			from, _ := def[key].(map[string]any)
			if len(from) == 0 {
				continue
			}
			to, _ := m[key].(map[string]any)
			merged := maps.Clone(from)
			maps.Copy(merged, to)
			m[key] = merged
		}
	}
}
