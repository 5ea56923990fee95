package output

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Schemas returns the JSON schema (2020-12) of the JSON that commands print, by command, indented. types has a value of the Go type that
// each prints. Objects of Kubernetes are not described: they are Kubernetes' own.
func Schemas(types map[string]any) map[string][]byte {
	out := map[string][]byte{}
	for name, v := range types {
		g := generator{defs: map[string]any{}}
		s := g.of(reflect.TypeOf(v))
		s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
		s["title"] = "lyandev " + name + " -o json"
		if len(g.defs) > 0 {
			s["$defs"] = g.defs
		}
		b, err := json.MarshalIndent(s, "", "  ")
		if err != nil {
			panic(err) // it consists of maps and strings only
		}
		out[name] = append(b, '\n')
	}
	return out
}

type generator struct{ defs map[string]any }

var (
	timeType     = reflect.TypeFor[time.Time]()
	durationType = reflect.TypeFor[time.Duration]()
	marshaler    = reflect.TypeFor[json.Marshaler]()
	texter       = reflect.TypeFor[encoding.TextMarshaler]()
)

// of is the schema of a type.
func (g *generator) of(t reflect.Type) map[string]any {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == timeType:
		return map[string]any{"type": "string", "format": "date-time"}
	case t == durationType:
		return map[string]any{"type": "integer", "description": "nanoseconds"}
	case strings.HasPrefix(t.PkgPath(), "k8s.io/") && t.Kind() == reflect.Struct:
		return map[string]any{"description": "Kubernetes' " + strings.TrimPrefix(t.PkgPath(), "k8s.io/") + "." + t.Name()}
	case t.Implements(marshaler) || reflect.PointerTo(t).Implements(marshaler):
		return map[string]any{} // it writes itself
	case t.Implements(texter) || reflect.PointerTo(t).Implements(texter):
		return map[string]any{"type": "string"}
	}
	switch t.Kind() {
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Float32, reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return map[string]any{"type": "string", "contentEncoding": "base64"}
		}
		return map[string]any{"type": "array", "items": g.of(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": g.of(t.Elem())}
	case reflect.Struct:
		return g.ref(t)
	case reflect.Interface:
		return map[string]any{}
	}
	return map[string]any{"type": "integer"}
}

// ref is a reference to the definition of a struct, which it makes.
func (g *generator) ref(t reflect.Type) map[string]any {
	name := t.Name()
	if name == "" {
		return g.object(t)
	}
	if _, ok := g.defs[name]; !ok {
		g.defs[name] = nil // it may contain itself
		g.defs[name] = g.object(t)
	}
	return map[string]any{"$ref": "#/$defs/" + name}
}

func (g *generator) object(t reflect.Type) map[string]any {
	properties, required := map[string]any{}, []string{}
	g.fields(t, properties, &required)
	slices.Sort(required)
	s := map[string]any{"type": "object", "properties": properties}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

// fields adds the fields of a struct, those of embedded ones included. A field without omitempty is always there.
func (g *generator) fields(t reflect.Type, properties map[string]any, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		embedded := f.Type
		for embedded.Kind() == reflect.Pointer {
			embedded = embedded.Elem()
		}
		switch {
		case name == "-" && options == "":
		case f.Anonymous && name == "" && embedded.Kind() == reflect.Struct:
			g.fields(embedded, properties, required)
		case !f.IsExported():
		default:
			if name == "" {
				name = f.Name
			}
			s := g.of(f.Type)
			optional := strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero")
			if k := f.Type.Kind(); !optional && (k == reflect.Pointer || k == reflect.Slice || k == reflect.Map) {
				s = map[string]any{"anyOf": []any{s, map[string]any{"type": "null"}}}
			}
			properties[name] = s
			if !optional {
				*required = append(*required, name)
			}
		}
	}
}
