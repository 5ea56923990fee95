// Package mask keeps secrets out of what people and files see: logs, events, printed configuration.
//
// A secret is masked wherever it stands when its value is telling: eight characters or more, or fewer of a mixed kind, and
// no name that the stack itself uses. A password such as "lyanna" in a project named lyanna is neither: replacing it would
// destroy ordinary output. It is masked only where a password stands: PASSWORD=lyanna, -plyanna, :lyanna@.
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

// Mask is what stands in the place of a secret.
const Mask = "***"

// Masker masks the secrets of one stack. It is safe for use by several goroutines; it knows the values of the moment it
// was made.
type Masker struct {
	replace  *strings.Replacer
	patterns []pattern
}

type pattern struct {
	expr *regexp.Regexp
	with string
}

// always are the places where a secret stands whatever it is: the password of a URL, and what follows a telling name and
// an equals sign, or a colon in JSON.
var always = []pattern{
	{regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://[^\s:/@"']*:)[^\s/@"']+@`), "${1}" + Mask + "@"},
	{regexp.MustCompile(`(?i)\b(` + secretKey + `=)("[^"]*"|'[^']*'|[^\s"'&;,]+)`), "${1}" + Mask},
	{regexp.MustCompile(`(?i)("` + secretKey + `"\s*:\s*)"(?:[^"\\]|\\.)*"`), `${1}"` + Mask + `"`},
}

const secretKey = `[\w.-]*(?:password|passwd|passphrase|secret|token|api_?key|private_?key|access_?key)`

// New collects the secrets of a stack: values of Secrets, values whose names say so in environments and ConfigMaps, and
// passwords in URLs. A nil stack gives a Masker that knows the patterns only.
func New(stack *services.Stack) *Masker {
	values := collect(stack)
	plain := ordinary(stack)
	var pairs, short []string
	slices.SortFunc(values, func(a, b string) int { return len(b) - len(a) })
	for _, v := range values {
		if !telling(v, plain) {
			short = append(short, regexp.QuoteMeta(v))
			continue
		}
		for _, form := range forms(v) {
			pairs = append(pairs, form, Mask)
		}
	}
	m := &Masker{replace: strings.NewReplacer(pairs...), patterns: always}
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

// String is the text with its secrets masked.
func (m *Masker) String(s string) string {
	s = m.replace.Replace(s)
	for _, p := range m.patterns {
		s = p.expr.ReplaceAllString(s, p.with)
	}
	return s
}

// Bytes is String for bytes. The given bytes are left as they are.
func (m *Masker) Bytes(b []byte) []byte { return []byte(m.String(string(b))) }

// PodStatus masks in place what containers and the engine said in the messages of a status.
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

// SecretName says whether a variable or key of this name holds a secret. Names of files and public keys do not.
func SecretName(name string) bool {
	words := strings.FieldsFunc(splitCamel(name), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
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

// splitCamel puts a blank where a word begins in camelCase.
func splitCamel(s string) string {
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

// telling says whether a value can be masked wherever it stands.
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

// forms are the ways a value may be written: itself, in a URL, in base64, and the long lines of a text of several.
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
