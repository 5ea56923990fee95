package profiles

import (
	"slices"
	"strings"
	"sync"
)

// Level is what happens to an attribute of the Compose specification.
type Level string

// The levels.
const (
	// Applied: it does what it does under Docker Compose; also if that is nothing.
	Applied Level = "applied"
	// Approximated: it does something similar, or only some of its values are applied. Values that are not are in the notes.
	Approximated Level = "approximated"
	// Ignored: it has no effect. The stack's notes say so for every place where a file has it.
	Ignored Level = "ignored"
	// Refused: a file that has it is not loaded.
	Refused Level = "refused"
)

// Support is the row of one attribute. The loader's notes come from the same rows.
type Support struct {
	// Attribute is its path: "*" stands for a name, "[]" for a list's entries, "**" at the end for all that is below.
	Attribute string `json:"attribute"`
	// Compose is for services with Compose's semantics, Kubernetes for those with Kubernetes'. The reasons are "" where the level
	// says all.
	Compose          Level  `json:"compose"`
	ComposeReason    string `json:"composeReason,omitempty"`
	Kubernetes       Level  `json:"kubernetes"`
	KubernetesReason string `json:"kubernetesReason,omitempty"`
}

// SupportTable returns the rows of all attributes of the Compose specification, in the order of their paths.
func SupportTable() []Support { return slices.Clone(supportRows()) }

// supportRows parses the rows. A row is: the path, a letter for each level (Compose's semantics, then Kubernetes'), and after
// " | " the reason, or two of them.
var supportRows = sync.OnceValue(func() []Support {
	levels := map[byte]Level{'a': Applied, 'p': Approximated, 'i': Ignored, 'r': Refused}
	var out []Support
	for line := range strings.Lines(supportedTop + supportedService + supportedParts) {
		parts := strings.Split(strings.TrimSpace(line), "|")
		path, letters, ok := strings.Cut(strings.TrimSpace(parts[0]), " ")
		if !ok {
			continue
		}
		row := Support{Attribute: path, Compose: levels[letters[0]], Kubernetes: levels[letters[1]]}
		if len(parts) > 1 {
			row.ComposeReason = strings.TrimSpace(parts[1])
			row.KubernetesReason = strings.TrimSpace(parts[len(parts)-1])
		}
		out = append(out, row)
	}
	slices.SortFunc(out, func(a, b Support) int { return strings.Compare(a.Attribute, b.Attribute) })
	return out
})

var supportByPath = sync.OnceValue(func() map[string]Support {
	out := map[string]Support{}
	for _, r := range supportRows() {
		out[r.Attribute] = r
	}
	return out
})

// supportOf returns the row of an attribute's path. The names and entries of a mapping or list of values ("environment.*") belong
// to the attribute itself.
func supportOf(path string) (Support, bool) {
	rows := supportByPath()
	for {
		if r, ok := rows[path]; ok {
			return r, true
		}
		if trimmed := strings.TrimSuffix(strings.TrimSuffix(path, ".*"), ".[]"); trimmed != path {
			path = trimmed
			continue
		}
		for up := path; up != ""; {
			if r, ok := rows[up+".**"]; ok {
				return r, true
			}
			i := strings.LastIndexByte(up, '.')
			if i < 0 {
				break
			}
			up = up[:i]
		}
		return Support{}, false
	}
}

// level returns the row's level and reason for one kind of semantics.
func (s Support) level(plain bool) (Level, string) {
	if plain {
		return s.Compose, s.ComposeReason
	}
	return s.Kubernetes, s.KubernetesReason
}
