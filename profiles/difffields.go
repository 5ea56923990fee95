package profiles

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/mask"
)

// Field is one field that differs between two stacks, with its values as text, secrets masked. A value that is no text or number is
// JSON.
type Field struct {
	// Path leads to the field in Kubernetes' or Docker's types, as containers.web.image. Elements of lists are named by their name.
	Path string `json:"path"`
	// From and To are nil where the field is not there.
	From *string `json:"from,omitempty"`
	To   *string `json:"to,omitempty"`
}

// difference is one difference between two objects. A field that only one of them has is nil in the other.
type difference struct {
	// text, if not "", is all that there is to say: it is about no field.
	text    string
	path    string
	was, is any
	// added and removed: only the second or only the first object has the field.
	added, removed bool
}

// reason names the field, with its values if they are short and cannot be secret.
func (x difference) reason() string {
	switch {
	case x.text != "":
		return x.text
	case x.added:
		return x.path + " added"
	case x.removed:
		return x.path + " removed"
	}
	was, wasShort := shortScalar(x.was)
	is, isShort := shortScalar(x.is)
	if wasShort && isShort && !strings.Contains(x.path, "env.") && !strings.Contains(x.path, "ata.") && !isSecret(x.path) {
		return fmt.Sprintf("%s %s -> %s", x.path, was, is)
	}
	return x.path + " changed"
}

func shortScalar(v any) (string, bool) {
	switch v.(type) {
	case map[string]any, []any:
		return "", false
	}
	s := fmt.Sprint(v)
	return s, len(s) <= 60
}

// differences compares two JSON values. Lists of objects with a name are compared by name.
func differences(path string, a, b any) []difference {
	am, aok := a.(map[string]any)
	bm, bok := b.(map[string]any)
	if (aok || a == nil) && (bok || b == nil) && (aok || bok) {
		return mapDifferences(path, am, bm)
	}
	al, aIsList := a.([]any)
	bl, bIsList := b.([]any)
	if aIsList && bIsList {
		if x, y := byName(al), byName(bl); x != nil && y != nil {
			return mapDifferences(path, x, y)
		}
	}
	if equalJSON(a, b) {
		return nil
	}
	return []difference{{path: path, was: a, is: b}}
}

func mapDifferences(path string, a, b map[string]any) []difference {
	var out []difference
	keys := slices.Sorted(maps.Keys(a))
	for _, k := range slices.Sorted(maps.Keys(b)) {
		if _, ok := a[k]; !ok {
			keys = append(keys, k)
		}
	}
	for _, k := range keys {
		x, inA := a[k]
		y, inB := b[k]
		at := strings.TrimPrefix(path+"."+k, ".")
		switch {
		case k == "env" && inA != inB: // each variable by itself
			out = append(out, mapDifferences(at, byName(orList(x)), byName(orList(y)))...)
		case !inA:
			out = append(out, difference{path: at, is: y, added: true})
		case !inB:
			out = append(out, difference{path: at, was: x, removed: true})
		default:
			out = append(out, differences(at, x, y)...)
		}
	}
	return out
}

// orList is a JSON list, an empty one for another value.
func orList(v any) []any {
	list, _ := v.([]any)
	return list
}

// byName converts a list of objects with a name to a map, nil if it is not such a list.
func byName(list []any) map[string]any {
	out := map[string]any{}
	for _, e := range list {
		m, ok := e.(map[string]any)
		if !ok {
			return nil
		}
		name, ok := m["name"].(string)
		if !ok {
			name, ok = m["workload"].(string)
		}
		if !ok || out[name] != nil {
			return nil
		}
		out[name] = e
	}
	return out
}

// asJSON is a value in the form that JSON decodes to: mappings, lists and scalars. It is nil if the value has none.
func asJSON(v any) any {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	var out any
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil
	}
	return out
}

func equalJSON(a, b any) bool {
	x, errA := json.Marshal(a)
	y, errB := json.Marshal(b)
	return errA == nil && errB == nil && string(x) == string(y)
}

// stackMasker masks the secrets of two stacks in the values of fields.
type stackMasker struct{ maskers []*mask.Masker }

func newStackMasker(stacks ...*services.Stack) *stackMasker {
	m := new(stackMasker)
	for _, s := range stacks {
		m.maskers = append(m.maskers, mask.New(s))
	}
	return m
}

// field returns the field of a difference in an object of a kind; false if the difference is about no field.
func (m *stackMasker) field(kind string, x difference) (Field, bool) {
	if x.text != "" {
		return Field{}, false
	}
	f := Field{Path: x.path}
	if !x.added {
		f.From = new(m.text(kind, x.path, x.was))
	}
	if !x.removed {
		f.To = new(m.text(kind, x.path, x.is))
	}
	return f, true
}

// text is a value as text without secrets. A value is one if it is that of a Secret, or if the field's name says so.
func (m *stackMasker) text(kind, path string, v any) string {
	if isSecret(path) || kind == "Secret" && (strings.HasPrefix(path, "data.") || strings.HasPrefix(path, "stringData.")) {
		return mask.Mask
	}
	if x, ok := v.(map[string]any); ok && x["name"] != nil && (len(x) == 1 || len(x) == 2 && x["value"] != nil) {
		v = cmp.Or(x["value"], any("")) // a variable
	}
	text, isText := v.(string)
	if !isText {
		b, err := json.Marshal(withoutSecrets(v))
		if err != nil {
			return ""
		}
		text = string(b)
	}
	for _, x := range m.maskers {
		text = x.String(text)
	}
	return text
}

// isSecret reports whether the value of a field is a secret by the field's name.
func isSecret(path string) bool {
	return strings.HasPrefix(path, "secretValues") || isVariable(path) && slices.ContainsFunc(strings.Split(path, "."), mask.SecretName)
}

// isVariable reports whether a path leads to a variable, a build argument or an entry of a ConfigMap: names that people chose.
func isVariable(path string) bool {
	return strings.HasPrefix(path, "args.") || strings.HasPrefix(path, "data.") || strings.HasPrefix(path, "options.") ||
		strings.Contains("."+path, ".env.") || strings.HasPrefix(path, "annotations.")
}

// withoutSecrets is a copy of a JSON value in which the values of variables with the name of a secret are masked: of {name, value},
// of NAME: value and of "NAME=value".
func withoutSecrets(v any) any {
	switch x := v.(type) {
	case map[string]any:
		out := maps.Clone(x)
		for k, e := range x {
			out[k] = withoutSecrets(e)
			if _, isText := e.(string); isText && mask.SecretName(k) {
				out[k] = mask.Mask
			}
		}
		if name, _ := x["name"].(string); mask.SecretName(name) && x["value"] != nil {
			out["value"] = mask.Mask
		}
		return out
	case []any:
		out := slices.Clone(x)
		for i, e := range x {
			out[i] = withoutSecrets(e)
		}
		return out
	case string:
		if name, value, ok := strings.Cut(x, "="); ok && value != "" && mask.SecretName(name) {
			return name + "=" + mask.Mask
		}
	}
	return v
}
