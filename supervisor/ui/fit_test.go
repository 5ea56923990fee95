package ui

import (
	"strings"
	"testing"
)

// TestFit: with more services than rows the last ones were cut off, which hid the one that everything waited for.
func TestFit(t *testing.T) {
	items := func(text string) []item { // upper case is done
		var out []item
		for _, f := range strings.Fields(text) {
			out = append(out, item{f, f == strings.ToUpper(f)})
		}
		return out
	}
	for _, c := range []struct {
		items string
		room  int
		want  string
	}{
		{"A b C", 3, "A b C"},
		{"A B C d", 3, "d A ... and 2 more, done or ready"},
		{"A b C d e", 3, "b d ... and 3 more"},
		{"A b C d e", 1, "... and 5 more"},
		{"", 3, ""},
	} {
		if got := strings.Join(fit(items(c.items), c.room), " "); got != c.want {
			t.Errorf("%q in %d: %q", c.items, c.room, got)
		}
	}
}
