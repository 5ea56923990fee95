// Package mask replaces secrets in logs, events and printed configuration.
//
// A secret is masked everywhere if its value is distinctive: at least eight characters, or fewer of mixed kinds, and not a
// name that the stack uses for something else. A password such as "lyanna" in a project named lyanna is not distinctive;
// masking it everywhere would destroy ordinary output. It is masked only in password positions: PASSWORD=lyanna, -plyanna,
// :lyanna@.
package mask

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
)

// Mask replaces a secret.
const Mask = "***"

// Masker masks the secrets of one stack, with the values at the time of New. It is safe for concurrent use.
type Masker struct {
	replace  *strings.Replacer
	patterns []pattern
	// find tells the texts that replace or a pattern may change.
	find *finder
}

type pattern struct {
	expr *regexp.Regexp
	with string
}

// always are patterns of secrets whose value does not matter: the password in a URL, and the value after a name such as
// PASSWORD and an equals sign, or a colon in JSON.
var always = []pattern{
	{regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://[^\s:/@"']*:)[^\s/@"']+@`), "${1}" + Mask + "@"},
	{regexp.MustCompile(`(?i)\b(` + secretKey + `=)("[^"]*"|'[^']*'|[^\s"'&;,]+)`), "${1}" + Mask},
	{regexp.MustCompile(`(?i)("` + secretKey + `"\s*:\s*)"(?:[^"\\]|\\.)*"`), `${1}"` + Mask + `"`},
}

const secretKey = `[\w.-]*(?:password|passwd|passphrase|secret|token|api_?key|private_?key|access_?key)`

// New collects the secrets of a stack: values of Secrets, values with a secret name (SecretName) in environments and
// ConfigMaps, and passwords in URLs. With a nil stack the Masker applies the fixed patterns only.
func New(stack *services.Stack) *Masker {
	values := collect(stack)
	plain := ordinary(stack)
	var pairs, short, needles []string
	slices.SortFunc(values, func(a, b string) int { return len(b) - len(a) })
	for _, v := range values {
		if !telling(v, plain) {
			short, needles = append(short, regexp.QuoteMeta(v)), append(needles, v)
			continue
		}
		for _, form := range forms(v) {
			pairs = append(pairs, form, Mask)
		}
	}
	m := &Masker{replace: strings.NewReplacer(pairs...), patterns: always}
	for i := 0; i < len(pairs); i += 2 {
		needles = append(needles, pairs[i])
	}
	m.find = newFinder(needles)
	if len(short) > 0 {
		any := `(?:` + strings.Join(short, "|") + `)`
		end := `($|[\s"'&;,)\]}@])`
		m.patterns = append(slices.Clone(always),
			pattern{regexp.MustCompile(`((?:^|[\s"'\[])-p\s?["']?)` + any + end), "${1}" + Mask + "${2}"},
			pattern{regexp.MustCompile(`(?i)(` + secretKey + `["']?\s*[:=]\s*["']?)` + any + end), "${1}" + Mask + "${2}"},
			pattern{regexp.MustCompile(`(?i)(-{1,2}` + secretKey + `[ =]["']?)` + any + end), "${1}" + Mask + "${2}"},
			pattern{regexp.MustCompile(`(?i)(identified\s+by\s+(?:password\s+)?["'])` + any + end), "${1}" + Mask + "${2}"},
			pattern{regexp.MustCompile(`(:)` + any + `(@)`), "${1}" + Mask + "${2}"},
		)
	}
	return m
}

// String returns the text with its secrets masked.
func (m *Masker) String(s string) string {
	if !m.find.may(s) {
		return s
	}
	s = m.replace.Replace(s)
	for _, p := range m.patterns {
		s = p.expr.ReplaceAllString(s, p.with)
	}
	return s
}

// Bytes is like String. It does not modify its argument.
func (m *Masker) Bytes(b []byte) []byte { return []byte(m.String(string(b))) }

// PodStatus masks the messages of a status in place.
func (m *Masker) PodStatus(status *corev1.PodStatus) {
	status.Message = m.String(status.Message)
	for _, list := range [][]corev1.ContainerStatus{status.InitContainerStatuses, status.ContainerStatuses} {
		for i := range list {
			for _, st := range []corev1.ContainerState{list[i].State, list[i].LastTerminationState} {
				if st.Terminated != nil {
					st.Terminated.Message = m.String(st.Terminated.Message)
				}
				if st.Waiting != nil {
					st.Waiting.Message = m.String(st.Waiting.Message)
				}
			}
		}
	}
}

// SecretName reports whether a variable or key of this name holds a secret. Names of files and public keys do not count.
func SecretName(name string) bool {
	words := strings.FieldsFunc(SplitCamel(name), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if len(words) == 0 {
		return false
	}
	switch last := strings.ToLower(words[len(words)-1]); last {
	case "file", "path", "dir", "name", "host", "port", "url", "id", "ttl", "length", "policy":
		return false
	}
	for i, w := range words {
		switch strings.ToLower(w) {
		case "password", "passwd", "passphrase", "pwd", "pass", "secret", "secrets", "token", "credential", "credentials", "apikey":
			return true
		case "key", "keys":
			if i == 0 || !strings.EqualFold(words[i-1], "public") {
				return i > 0 || len(words) == 1
			}
		}
	}
	return false
}

// SplitCamel inserts a space before each word of a camelCase name.
func SplitCamel(s string) string {
	var b strings.Builder
	var last rune
	for _, r := range s {
		if unicode.IsUpper(r) && unicode.IsLower(last) {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
		last = r
	}
	return b.String()
}

// telling reports whether a value is distinctive enough to be masked everywhere.
func telling(v string, plain map[string]bool) bool {
	if plain[strings.ToLower(v)] {
		return false
	}
	if len(v) >= 8 {
		return true
	}
	classes := map[string]bool{}
	for _, r := range v {
		switch {
		case unicode.IsUpper(r):
			classes["upper"] = true
		case unicode.IsLower(r):
			classes["lower"] = true
		case unicode.IsDigit(r):
			classes["digit"] = true
		default:
			classes["other"] = true
		}
	}
	return len(v) >= 6 && len(classes) >= 3
}

// forms returns the encodings of a value to search for: plain, URL-escaped, base64, and each long line of a multi-line text.
func forms(v string) []string {
	out := []string{v}
	add := func(s string) {
		if len(s) >= 8 && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	add(url.QueryEscape(v))
	add(url.PathEscape(v))
	add(base64.StdEncoding.EncodeToString([]byte(v)))
	if lines := strings.Split(v, "\n"); len(lines) > 1 {
		for _, line := range lines {
			if line = strings.TrimSpace(line); len(line) >= 16 {
				add(line)
			}
		}
	}
	return out
}
