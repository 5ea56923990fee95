package kube

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Lookup finds the value of a variable; false if there is none of that name.
type Lookup func(name string) (string, bool)

// MapLookup looks in maps, the first that has the name.
func MapLookup(maps ...map[string]string) Lookup {
	return func(name string) (string, bool) {
		for _, m := range maps {
			if v, ok := m[name]; ok {
				return v, true
			}
		}
		return "", false
	}
}

// Expand replaces $(NAME) by the variable's value (R131, R136). $$ becomes $, so $$(NAME) is the text $(NAME). A variable that
// is not known stays as written, as does any other use of $. What was put in is not expanded again.
func Expand(text string, lookup Lookup) string {
	var b strings.Builder
	for text != "" {
		i := strings.IndexByte(text, '$')
		if i < 0 || i+1 == len(text) {
			b.WriteString(text)
			break
		}
		b.WriteString(text[:i])
		text = text[i:]
		switch text[1] {
		case '$':
			b.WriteByte('$')
			text = text[2:]
		case '(':
			text = expandReference(&b, text, lookup)
		default:
			b.WriteString(text[:2])
			text = text[2:]
		}
	}
	return b.String()
}

// expandReference takes the reference that text begins with and returns what comes after it.
func expandReference(b *strings.Builder, text string, lookup Lookup) string {
	end := strings.IndexByte(text, ')')
	if end < 0 {
		b.WriteString(text[:2])
		return text[2:]
	}
	if v, ok := lookup(text[2:end]); ok {
		b.WriteString(v)
	} else {
		b.WriteString(text[:end+1])
	}
	return text[end+1:]
}

// ExpandAll expands each text: a command, or arguments (R136).
func ExpandAll(texts []string, lookup Lookup) []string {
	out := slices.Clone(texts)
	for i := range out {
		out[i] = Expand(out[i], lookup)
	}
	return out
}

// ProbeLookup is what $(NAME) means in the command of an exec probe (R22): env entries with their text as written, entries
// from sources as empty text, and nothing else.
func ProbeLookup(env []corev1.EnvVar) Lookup {
	m := map[string]string{}
	for _, e := range env {
		m[e.Name] = e.Value
	}
	return MapLookup(m)
}

// ExpandSubPath expands a subPathExpr (R137). A variable in it that is missing or empty is an error, in the kubelet's words.
func ExpandSubPath(expr string, lookup Lookup) (string, error) {
	var bad []string
	out := Expand(expr, func(name string) (string, bool) {
		v, ok := lookup(name)
		if !ok || v == "" {
			bad = append(bad, name)
		}
		return v, ok
	})
	if len(bad) > 0 {
		return "", fmt.Errorf("missing value for %s", strings.Join(bad, ", "))
	}
	return out, nil
}
