package profiles

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// decode decodes a merged value of the file into a Kubernetes type. Numbers and booleans from substituted variables are
// strings up to this point.
func decode(value, into any) error {
	raw, err := json.Marshal(coerce(value, reflect.TypeOf(into)))
	if err != nil {
		return fmt.Errorf("cannot write the value as JSON: %w", err)
	}
	return json.Unmarshal(raw, into)
}

// coerce converts strings to numbers or booleans where the type requires it and the string can be parsed.
func coerce(v any, t reflect.Type) any {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch x := v.(type) {
	case map[string]any:
		return coerceMap(x, t)
	case []any:
		if t.Kind() != reflect.Slice {
			return v
		}
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = coerce(e, t.Elem())
		}
		return out
	case string:
		switch t.Kind() {
		case reflect.Bool:
			if isBool(x) {
				return x == "true"
			}
		case reflect.Int, reflect.Int32, reflect.Int64:
			if n, err := strconv.ParseInt(x, 10, 64); err == nil {
				return n
			}
		}
		if t == intstrType {
			if n, err := strconv.ParseInt(x, 10, 32); err == nil {
				return n
			}
		}
	}
	return v
}

func coerceMap(m map[string]any, t reflect.Type) any {
	out := make(map[string]any, len(m))
	var fields map[string]reflect.StructField
	if t.Kind() == reflect.Struct {
		fields = jsonFields(t)
	}
	for k, e := range m {
		switch {
		case fields != nil:
			if f, ok := fields[k]; ok {
				e = coerce(e, f.Type)
			}
		case t.Kind() == reflect.Map:
			e = coerce(e, t.Elem())
		}
		out[k] = e
	}
	return out
}

// patch applies a strategic merge patch to a Kubernetes value: mappings are merged, null removes a field, lists with a merge
// key (containers and env by name, ports by containerPort) are merged by it, other lists are replaced.
func patch[T any](target *T, change any) error {
	raw, err := json.Marshal(target)
	if err != nil {
		return fmt.Errorf("cannot write the value as JSON: %w", err)
	}
	var base any
	if err := json.Unmarshal(raw, &base); err != nil {
		return fmt.Errorf("cannot read the value back: %w", err)
	}
	t := reflect.TypeFor[T]()
	merged := strategicMerge(base, coerce(change, t), t, "")
	var out T
	if err := decode(merged, &out); err != nil {
		return err
	}
	*target = out
	return nil
}

func strategicMerge(base, change any, t reflect.Type, tag reflect.StructTag) any {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch c := change.(type) {
	case map[string]any:
		b, ok := base.(map[string]any)
		if !ok {
			b = map[string]any{}
		}
		return mergeMaps(b, c, t)
	case []any:
		b, _ := base.([]any)
		if t.Kind() == reflect.Slice && strings.Contains(tag.Get("patchStrategy"), "merge") {
			return mergeLists(b, c, t.Elem(), tag.Get("patchMergeKey"))
		}
	}
	return change
}

func mergeMaps(base, change map[string]any, t reflect.Type) any {
	var fields map[string]reflect.StructField
	if t.Kind() == reflect.Struct {
		fields = jsonFields(t)
	}
	for k, v := range change {
		if v == nil {
			delete(base, k)
			continue
		}
		f, ok := fields[k]
		switch {
		case ok:
			base[k] = strategicMerge(base[k], v, f.Type, f.Tag)
		case t.Kind() == reflect.Map:
			base[k] = strategicMerge(base[k], v, t.Elem(), "")
		default:
			base[k] = v
		}
	}
	return base
}

func mergeLists(base, change []any, elem reflect.Type, key string) any {
	for _, c := range change {
		m, _ := c.(map[string]any)
		found := -1
		for i, b := range base {
			bm, _ := b.(map[string]any)
			if m != nil && bm != nil && key != "" && m[key] != nil && sameKey(m[key], bm[key]) {
				found = i
			}
		}
		if found >= 0 {
			base[found] = strategicMerge(base[found], c, elem, "")
		} else {
			base = append(base, c)
		}
	}
	return base
}

func sameKey(a, b any) bool { return fmt.Sprint(a) == fmt.Sprint(b) }
