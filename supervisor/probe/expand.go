package probe

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// ExpandStatic replaces $(NAME) in a probe's command by the literal text of the container's env entry of that name, the
// last one if there are several (R22). Entries whose value comes from a source count as empty text; names that are not
// in env stay as written. $$ becomes $, so $$(NAME) is the text $(NAME). Replaced text is not expanded again.
func ExpandStatic(command []string, env []corev1.EnvVar) []string {
	values := make(map[string]string, len(env))
	for _, e := range env {
		values[e.Name] = e.Value
	}
	out := make([]string, len(command))
	for i, word := range command {
		out[i] = expand(word, values)
	}
	return out
}

func expand(word string, values map[string]string) string {
	var b strings.Builder
	for {
		at := strings.IndexByte(word, '$')
		if at < 0 || at == len(word)-1 {
			b.WriteString(word)
			return b.String()
		}
		b.WriteString(word[:at])
		text, used := dollar(word[at:], values)
		b.WriteString(text)
		word = word[at+used:]
	}
}

// dollar parses one use of $, which is followed by at least one byte, and returns its replacement and length.
func dollar(s string, values map[string]string) (string, int) {
	switch s[1] {
	case '$':
		return "$", 2
	case '(':
		end := strings.IndexByte(s, ')')
		if end < 0 {
			return "$(", 2
		}
		if v, ok := values[s[2:end]]; ok {
			return v, end + 1
		}
		return s[:end+1], end + 1
	default:
		return s[:2], 2
	}
}
