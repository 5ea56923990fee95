package output

import (
	"bytes"
	"testing"
)

type row struct {
	Name string `json:"name"`
	Text string `json:"text,omitempty"`
	ID   string `json:"-"`
}

var rows = List[row]{
	Columns: []Column[row]{
		{Title: "NAME", Cell: func(r row) string { return r.Name }},
		{Title: "ID", Cell: func(r row) string { return r.ID }, Wide: true},
		{Title: "TEXT", Cell: func(r row) string { return r.Text }},
	},
	Name:  func(r row) string { return "row/" + r.Name },
	Quiet: func(r row) string { return r.ID },
}

// TestPrint: the same rows in every format.
func TestPrint(t *testing.T) {
	data := []row{{"a", "first\nsecond", "1"}, {"longer", "", ""}}
	for _, tc := range []struct {
		name string
		o    Options
		rows []row
		want string
	}{
		{"table", Options{}, data, "NAME    TEXT\na       first …\nlonger  -\n"},
		{"wide", Options{Format: Wide}, data, "NAME    ID  TEXT\na       1   first …\nlonger  -   -\n"},
		{"no titles", Options{NoHeaders: true}, data, "a       first …\nlonger  -\n"},
		{"names", Options{Format: Name}, data, "row/a\nrow/longer\n"},
		{"quiet wins over a format", Options{Format: JSON, Quiet: true}, data, "1\n"},
		{"JSON", Options{Format: JSON}, data[1:], "[\n  {\n    \"name\": \"longer\"\n  }\n]\n"},
		{"JSON of none", Options{Format: JSON}, nil, "[]\n"},
		{"JSON while it is watched", Options{Format: JSON, Compact: true}, data, "{\"name\":\"a\",\"text\":\"first\\nsecond\"}\n{\"name\":\"longer\"}\n"},
		{"YAML", Options{Format: YAML}, data[1:], "- name: longer\n"},
		{"YAML while it is watched", Options{Format: YAML, Compact: true}, data[1:], "---\nname: longer\n"},
		{"a table of none", Options{}, nil, "NAME  TEXT\n"},
		{"a narrow terminal", Options{Width: 24}, []row{{"a", "one two three four five six", "1"}}, "NAME  TEXT\na     one two three fou…\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := rows.Print(&out, tc.rows, tc.o); err != nil || out.String() != tc.want {
				t.Errorf("%v\ngot\n%s\nwant\n%s", err, out.String(), tc.want)
			}
		})
	}
}

// TestTexts: a text of a container stays on its line, and digests are short.
func TestTexts(t *testing.T) {
	for text, want := range map[string]string{
		"a\n": "a", "\n\na\nb\n": "a …", "a\tb\rc": "a b c", "\x1b[2J": "[2J", "": "",
	} {
		if got := OneLine(text); got != want {
			t.Errorf("OneLine(%q) is %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"sha256:0123456789abcdef": "0123456789ab", "web@sha256:0123456789abcdef": "web@0123456789ab", "web:1": "web:1", "sha256:short": "sha256:short",
	} {
		if got := Digest(text); got != want {
			t.Errorf("Digest(%q) is %q, want %q", text, got, want)
		}
	}
	if got := Cut("größer als", 7); got != "größer…" {
		t.Errorf("Cut: %q", got)
	}
}
