package output

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
)

// Broken says, one line each, what of a published JSON schema a newer one takes away from programs that read the JSON: a key that is gone
// or may be missing now, or a value of another type. Keys that are added break nothing. Both are schemas as Schemas makes them.
func Broken(published, now []byte) ([]string, error) {
	var c comparison
	for text, into := range map[*[]byte]*map[string]any{&published: &c.old, &now: &c.now} {
		if err := json.Unmarshal(*text, into); err != nil {
			return nil, fmt.Errorf("cannot read a schema: %w", err)
		}
	}
	c.seen = map[string]bool{}
	c.compare("", c.old, c.now)
	slices.Sort(c.broken)
	return c.broken, nil
}

type comparison struct {
	old, now map[string]any
	// seen are the definitions that were compared, by their path.
	seen   map[string]bool
	broken []string
}

// resolve follows a reference to a definition of a schema, and returns its name.
func resolve(root, s map[string]any) (map[string]any, string) {
	ref, _ := s["$ref"].(string)
	if ref == "" {
		return s, ""
	}
	defs, _ := root["$defs"].(map[string]any)
	name := ref[len("#/$defs/"):]
	out, _ := defs[name].(map[string]any)
	return out, name
}

func (c *comparison) compare(at string, old, now map[string]any) {
	old, nameOld := resolve(c.old, old)
	now, nameNow := resolve(c.now, now)
	if nameOld != "" {
		pair := nameOld + " " + nameNow
		if c.seen[pair] {
			return
		}
		c.seen[pair] = true
	}
	// A value that may be null may become one that never is.
	if a, b := list(old["anyOf"]), list(now["anyOf"]); len(a) > 0 || len(b) > 0 {
		first := func(l []any, s map[string]any) map[string]any {
			if len(l) == 0 {
				return s
			}
			return object(l[0])
		}
		if len(b) > len(a) {
			c.broken = append(c.broken, or(at)+": it may be null now")
		}
		c.compare(at, first(a, old), first(b, now))
		return
	}
	for _, key := range []string{"type", "format", "contentEncoding"} {
		if !reflect.DeepEqual(old[key], now[key]) {
			c.broken = append(c.broken, fmt.Sprintf("%s: %s was %v and is %v", or(at), key, old[key], now[key]))
			return
		}
	}
	for _, key := range []string{"items", "additionalProperties"} {
		if a, ok := old[key].(map[string]any); ok {
			c.compare(at+"[]", a, object(now[key]))
		}
	}
	c.properties(at, old, now)
}

func (c *comparison) properties(at string, old, now map[string]any) {
	is := object(now["properties"])
	for name, s := range object(old["properties"]) {
		path := at + "." + name
		if _, ok := is[name]; !ok {
			c.broken = append(c.broken, path+" is gone")
			continue
		}
		if slices.Contains(list(old["required"]), any(name)) && !slices.Contains(list(now["required"]), any(name)) {
			c.broken = append(c.broken, path+" may be missing now")
		}
		c.compare(path, object(s), object(is[name]))
	}
}

func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

func or(at string) string {
	if at == "" {
		return "the value"
	}
	return at
}
