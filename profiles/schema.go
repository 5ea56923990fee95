package profiles

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	composeschema "github.com/compose-spec/compose-go/v2/schema"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// extensionSchema is the schema of x-lyandev: the root for the top level of the file, "#/$defs/service" for a Compose service.
// Kubernetes objects are plain objects in it; they are checked against Kubernetes' types.
//
//go:embed schema/x-lyandev.json
var extensionSchema []byte

// schemaSet is a compiled schema and its source, from which the known keys are read.
type schemaSet struct {
	raw      any
	compiled map[string]*jsonschema.Schema
}

const (
	extensionURL = "x-lyandev.json"
	composeURL   = "compose-spec.json"
)

var loadSchemas = sync.OnceValues(func() (map[string]*schemaSet, error) {
	ext, err := compileSchema(extensionURL, string(extensionSchema), "", "#/$defs/service")
	if err != nil {
		return nil, err
	}
	compose, err := compileSchema(composeURL, composeschema.Schema, "")
	if err != nil {
		return nil, err
	}
	return map[string]*schemaSet{extensionURL: ext, composeURL: compose}, nil
})

// warmSchemas begins to compile the schemas of this package and of compose-go, which compiles its own at the first use: both take as long as
// it takes to read the files.
var warmSchemas = sync.OnceFunc(func() {
	go func() { _, _ = loadSchemas() }()                         // who needs them gets the error
	go func() { _ = composeschema.Validate(map[string]any{}) }() // only for its compiling
})

func compileSchema(url, source string, refs ...string) (*schemaSet, error) {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(source))
	if err != nil {
		return nil, fmt.Errorf("cannot read schema %s: %w", url, err)
	}
	c := jsonschema.NewCompiler()
	c.RegisterFormat(&jsonschema.Format{Name: "duration", Validate: isDuration})
	if err := c.AddResource(url, doc); err != nil {
		return nil, fmt.Errorf("cannot add schema %s: %w", url, err)
	}
	set := &schemaSet{raw: doc, compiled: map[string]*jsonschema.Schema{}}
	for _, ref := range refs {
		if set.compiled[ref], err = c.Compile(url + ref); err != nil {
			return nil, fmt.Errorf("cannot compile schema %s%s: %w", url, ref, err)
		}
	}
	return set, nil
}

func isDuration(v any) error {
	s, ok := v.(string)
	if !ok {
		return nil
	}
	if _, err := time.ParseDuration(s); err != nil {
		return errors.New("not a duration such as 10s or 1m30s")
	}
	return nil
}

// violation is one violation of a schema by a value.
type violation struct {
	path    keyPath
	message string
	hint    string
	// kind is the violated rule, for filters.
	kind jsonschema.ErrorKind
	// nearest is the known key that an unknown one probably stands for, "" for none.
	nearest string
}

// validate checks a value and returns every violation; of alternatives only the deepest.
func validate(set *schemaSet, ref string, it *item) []violation {
	raw, err := json.Marshal(it.plain())
	if err != nil {
		return []violation{{message: err.Error()}}
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(string(raw)))
	if err != nil {
		return []violation{{message: err.Error()}}
	}
	var verr *jsonschema.ValidationError
	err = set.compiled[ref].Validate(v)
	if err == nil || !errors.As(err, &verr) {
		return nil
	}
	var out []violation
	for _, leaf := range leaves(verr) {
		out = append(out, describe(set, it, leaf)...)
	}
	slices.SortStableFunc(out, func(a, b violation) int { return strings.Compare(a.path.String(), b.path.String()) })
	return out
}

// leaves returns the specific errors. Of several alternatives (anyOf, oneOf) it uses the one that matched deepest, which is
// most likely the intended one.
func leaves(e *jsonschema.ValidationError) []*jsonschema.ValidationError {
	switch e.ErrorKind.(type) {
	case *kind.OneOf, *kind.AnyOf:
		if len(e.Causes) == 0 {
			return []*jsonschema.ValidationError{e}
		}
		return alternatives(e)
	}
	if len(e.Causes) == 0 {
		return []*jsonschema.ValidationError{e}
	}
	var out []*jsonschema.ValidationError
	for _, c := range e.Causes {
		out = append(out, leaves(c)...)
	}
	return out
}

func alternatives(e *jsonschema.ValidationError) []*jsonschema.ValidationError {
	var best []*jsonschema.ValidationError
	var types []string
	got := ""
	deepest := -1
	for _, c := range e.Causes {
		found := leaves(c)
		depth := 0
		for _, l := range found {
			d := 2 * len(l.InstanceLocation)
			t, isType := l.ErrorKind.(*kind.Type)
			switch {
			case isType && len(l.InstanceLocation) == len(e.InstanceLocation):
				types, got = append(types, t.Want...), t.Got
			case isConst(l) && len(l.InstanceLocation) == len(e.InstanceLocation):
				types = append(types, fmt.Sprint(l.ErrorKind.(*kind.Const).Want))
			case !isType:
				d++
			}
			depth = max(depth, d)
		}
		if depth > deepest {
			best, deepest = found, depth
		}
	}
	if deepest <= 2*len(e.InstanceLocation) && len(types) > 0 {
		slices.Sort(types)
		merged := *e
		merged.ErrorKind, merged.Causes = &kind.Type{Got: got, Want: slices.Compact(types)}, nil
		return []*jsonschema.ValidationError{&merged}
	}
	return best
}

func isConst(e *jsonschema.ValidationError) bool {
	_, is := e.ErrorKind.(*kind.Const)
	return is
}

// unknownKey is the message for a key that the schema does not have.
const unknownKey = "unknown key"

func describe(set *schemaSet, root *item, e *jsonschema.ValidationError) []violation {
	path := instancePath(root, e.InstanceLocation)
	switch k := e.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		known := set.properties(e.SchemaURL)
		var out []violation
		for _, name := range slices.Sorted(slices.Values(k.Properties)) {
			out = append(out, violation{path.with(name), unknownKey, didYouMean(name, known), k, Nearest(name, known)})
		}
		return out
	case *kind.FalseSchema:
		// unevaluatedProperties: a known key is listed here only because its value is invalid, which is reported separately.
		name := e.InstanceLocation[max(0, len(e.InstanceLocation)-1):]
		known := set.properties(strings.TrimSuffix(e.SchemaURL, "/unevaluatedProperties"))
		if len(name) == 0 || slices.Contains(known, name[0]) || strings.HasPrefix(name[0], "x-") {
			return nil
		}
		return []violation{{path, unknownKey, didYouMean(name[0], known), k, Nearest(name[0], known)}}
	case *kind.Type:
		return []violation{{path: path, message: "must be " + typeNames(k.Want) + insteadOf(k), hint: shapeHint(k), kind: k}}
	case *kind.Enum:
		var want []string
		for _, w := range k.Want {
			want = append(want, fmt.Sprint(w))
		}
		return []violation{{path: path, message: "must be one of " + strings.Join(want, ", "), hint: nearestHint(fmt.Sprint(k.Got), want), kind: k}}
	case *kind.Required:
		return []violation{{path: path, message: "needs " + strings.Join(k.Missing, ", "), kind: k}}
	}
	return []violation{{path: path, message: e.ErrorKind.LocalizedString(message.NewPrinter(language.English)), kind: e.ErrorKind}}
}

// instancePath converts a JSON pointer to a keyPath.
func instancePath(root *item, loc []string) keyPath {
	path := make(keyPath, 0, len(loc))
	for _, p := range loc {
		if root != nil && root.isList {
			p = "[" + p + "]"
		}
		path = append(path, p)
		root = root.get(p)
	}
	return path
}

// properties returns the keys that the schema at a location allows, including those of its subschemas.
func (s *schemaSet) properties(url string) []string {
	_, pointer, _ := strings.Cut(url, "#")
	known := map[string]bool{}
	s.collect(s.at(pointer), known, 0)
	return slices.Collect(maps.Keys(known))
}

// at returns the part of the schema at a JSON pointer.
func (s *schemaSet) at(pointer string) any {
	node := s.raw
	for _, part := range strings.Split(strings.Trim(pointer, "/"), "/") {
		m, ok := node.(map[string]any)
		if !ok || part == "" {
			break
		}
		node = m[strings.NewReplacer("~1", "/", "~0", "~").Replace(part)]
	}
	return node
}

func (s *schemaSet) collect(node any, known map[string]bool, depth int) {
	m, ok := node.(map[string]any)
	if !ok || depth > 8 {
		return
	}
	props, _ := m["properties"].(map[string]any)
	for k := range props {
		known[k] = true
	}
	if ref, ok := m["$ref"].(string); ok {
		s.collect(s.at(strings.TrimPrefix(ref, "#")), known, depth+1)
	}
	for _, key := range []string{"allOf", "oneOf", "anyOf"} {
		list, _ := m[key].([]any)
		for _, sub := range list {
			s.collect(sub, known, depth+1)
		}
	}
}

// insteadOf says what stands in the place of a list or a mapping, or that nothing does.
func insteadOf(k *kind.Type) string {
	switch {
	case k.Got == "null":
		return ", but has no value"
	case !slices.Contains(k.Want, "object") && !slices.Contains(k.Want, "array"):
		return ""
	case k.Got == "array":
		return ", but is a list"
	case k.Got == "object":
		return ", but is a mapping"
	}
	return ", but is a single value"
}

// shapeHint says how a mapping or a list is written, "" where that is not the question.
func shapeHint(k *kind.Type) string {
	mapping, list := slices.Contains(k.Want, "object"), slices.Contains(k.Want, "array")
	switch {
	case k.Got == "null" && len(k.Want) > 0:
		return "write a value, or remove the key"
	case mapping && list:
		return "write KEY: VALUE, or - VALUE, on lines of their own below it, indented"
	case mapping && k.Got == "array":
		return "write KEY: VALUE on lines of their own below it, indented and without dashes"
	case mapping:
		return "write KEY: VALUE on lines of their own below it, indented"
	case list:
		return "write - VALUE on lines of their own below it"
	}
	return ""
}

func typeNames(want []string) string {
	names := make([]string, len(want))
	for i, w := range want {
		switch w {
		case "object":
			w = "a mapping"
		case "array":
			w = "a list"
		case "integer":
			w = "a whole number"
		case "null":
			w = "empty"
		case "true", "false":
		default:
			w = "a " + w
		}
		names[i] = w
	}
	if len(names) == 1 {
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}
