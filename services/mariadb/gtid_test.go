package mariadb

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParsePosition(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "0-1-6": "0-1-6", " 1-2-9 , 0-1-6": "0-1-6,1-2-9", "0-1-6,0-2-5": "0-1-6", "4294967295-4294967295-18446744073709551615": "4294967295-4294967295-18446744073709551615",
	} {
		p, err := ParsePosition(in)
		if err != nil || p.String() != want {
			t.Errorf("%q gives %q, %v", in, p, err)
		}
	}
	for _, in := range []string{"x", "0-1", "0-1-2-3", "0-1-x", "-1-1-1", "4294967296-1-1"} {
		if p, err := ParsePosition(in); err == nil {
			t.Errorf("%q gives %q", in, p)
		}
	}
}

func genPosition(t *rapid.T, label string) Position {
	var parts []string
	for d := range rapid.IntRange(0, 3).Draw(t, label+" domains") {
		parts = append(parts, fmt.Sprintf("%d-%d-%d", d, rapid.IntRange(1, 3).Draw(t, label), rapid.IntRange(1, 5).Draw(t, label)))
	}
	return position(strings.Join(parts, ","))
}

func TestPositionsProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, q := genPosition(t, "p"), genPosition(t, "q")
		if back := position(p.String()); back.String() != p.String() {
			t.Fatalf("%s reads back as %s", p, back)
		}
		if !p.Ahead(p).Empty() {
			t.Fatalf("%s is ahead of itself", p)
		}
		m := p.Merge(q)
		if p.Behind(m) != p.Behind(q) || m.Behind(p) != 0 || m.Behind(q) != 0 {
			t.Fatalf("%s merged with %s is %s", p, q, m)
		}
		if p.Ahead(q).Empty() && q.Behind(p) != 0 {
			t.Fatalf("%s is not ahead of %s, which is %d behind it", p, q, q.Behind(p))
		}
		if p.Merge(nil).String() != p.String() || !Position(nil).Merge(nil).Empty() {
			t.Fatal("merging nothing changes something")
		}
	})
}
