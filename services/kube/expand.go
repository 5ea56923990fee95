package kube

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Lookup returns the value of a variable; false if there is no such variable.
type Lookup func(name string) (string, bool)

// MapLookup returns a Lookup in maps; the first map with the name wins.
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

// Expand replaces $(NAME) with the variable's value (R131, R136). $$ becomes $, so $$(NAME) yields the text $(NAME). References
// to unknown variables and other uses of $ are left unchanged. Values are not expanded again.
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

// expandReference expands the reference at the start of text and returns the rest of the text.
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

// ExpandAll expands each string of a command or its arguments (R136).
func ExpandAll(texts []string, lookup Lookup) []string {
	out := slices.Clone(texts)
	for i := range out {
		out[i] = Expand(out[i], lookup)
	}
	return out
}

// ProbeLookup returns the Lookup for the command of an exec probe (R22): env entries with their literal value, entries with
// valueFrom as the empty string, and nothing else.
func ProbeLookup(env []corev1.EnvVar) Lookup {
	m := map[string]string{}
	for _, e := range env {
		m[e.Name] = e.Value
	}
	return MapLookup(m)
}

// ExpandSubPath expands a subPathExpr (R137). A missing or empty variable is an error, with the kubelet's message.
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
