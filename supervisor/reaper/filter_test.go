package reaper

import (
	"maps"
	"strings"
	"testing"
)

func TestParseFilter(t *testing.T) {
	for _, c := range []struct {
		line string
		want Filter
		err  string
	}{
		{line: "label=a=b", want: Filter{"a": "b"}},
		{line: "label=a=b&label=c", want: Filter{"a": "b", "c": ""}},
		{line: "label=org.testcontainers.sessionId%3D1%262\r", want: Filter{"org.testcontainers.sessionId": "1&2"}},
		{line: "label=a=b=c", want: Filter{"a": "b=c"}},
		{line: "label=a=b&label=a=b", want: Filter{"a": "b"}},
		{line: "", err: "match everything"},
		{line: " \t", err: "match everything"},
		{line: "label=", err: "no name"},
		{line: "label==x", err: "no name"},
		{line: "label=a=b&label=a=c", err: "two values"},
		{line: "label=a=b&name=x", err: "only labels"},
		{line: "name=x", err: "only labels"},
		{line: "label=%zz", err: "cannot read"},
		{line: "a", err: "only labels"},
	} {
		got, err := ParseFilter(c.line)
		switch {
		case c.err == "" && (err != nil || !maps.Equal(got, c.want)):
			t.Errorf("ParseFilter(%q) = %v, %v; want %v", c.line, got, err, c.want)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("ParseFilter(%q) = %v, %v; want an error with %q", c.line, got, err, c.err)
		}
	}
}

// A filter never matches everything, and what it prints parses to itself.
func FuzzParseFilter(f *testing.F) {
	for _, s := range []string{"label=a=b&label=c", "label=", "", "label=%3D", "label=a%3Db%26", "name=x", "&&", "label=a;b", "label=a\x00=b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		got, err := ParseFilter(line)
		if err != nil {
			return
		}
		if len(got) == 0 {
			t.Fatalf("ParseFilter(%q) matches everything", line)
		}
		if _, ok := got[""]; ok {
			t.Fatalf("ParseFilter(%q) has a label without a name", line)
		}
		again, err := ParseFilter(got.String())
		if err != nil || !maps.Equal(again, got) {
			t.Fatalf("ParseFilter(%q) = %v, which prints %q, which parses to %v, %v", line, got, got, again, err)
		}
	})
}
