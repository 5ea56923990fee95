package timeline

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Total is the sum of the spans of one sort.
type Total struct {
	Kind   Kind          `json:"kind"`
	Name   string        `json:"name"`
	Count  int           `json:"count"`
	Failed int           `json:"failed,omitempty"`
	Sum    time.Duration `json:"sum"`
	// Longest is the longest one, Of what it was about.
	Longest time.Duration `json:"longest"`
	Of      string        `json:"of,omitempty"`
}

// Totals are the sums of an action's engine calls by method, tries of probes by type, operators' looks, builds and Docker steps, the
// largest first within a kind. Spans of one sort may overlap: a sum may be more than the time that passed. It is pure.
func Totals(a *Action) []Total {
	var out []Total
	for _, s := range a.of(Engine, Probe, Operator, Build) {
		name := s.Name
		if s.Kind == Operator {
			name = s.Object
		}
		i := slices.IndexFunc(out, func(t Total) bool { return t.Kind == s.Kind && t.Name == name })
		if i < 0 {
			out, i = append(out, Total{Kind: s.Kind, Name: name}), len(out)
		}
		t := &out[i]
		t.Count++
		t.Sum += s.Took()
		if s.Failed {
			t.Failed++
		}
		if s.Took() > t.Longest {
			t.Longest, t.Of = s.Took(), cmp.Or(s.Object, s.Of)
		}
	}
	slices.SortFunc(out, func(x, y Total) int {
		return cmp.Or(strings.Compare(string(x.Kind), string(y.Kind)), cmp.Compare(y.Sum, x.Sum), strings.Compare(x.Name, y.Name))
	})
	return out
}
