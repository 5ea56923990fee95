package profiles

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one thing wrong with a file.
type Error struct {
	// File is the file as the user named it; Line and Column start at 1, 0 is unknown.
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	// Path is the key path ("services.web.ports[0]"), "" for the file as a whole.
	Path    string `json:"path,omitempty"`
	Message string `json:"message"`
	// Hint is what to do about it, "" when the message says enough.
	Hint string `json:"hint,omitempty"`
}

// Error is "file:line: path: message (hint)".
func (e Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
	}
	b.WriteString(": ")
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	b.WriteString(e.Message)
	if e.Hint != "" {
		b.WriteString(" (" + e.Hint + ")")
	}
	return b.String()
}

// Errors is everything wrong with the files of a stack, in the order of the files' lines.
type Errors []Error

// Error prints one error a line.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives the single errors to errors.As.
func (e Errors) Unwrap() []error {
	out := make([]error, len(e))
	for i, one := range e {
		out[i] = one
	}
	return out
}

// problems collects errors of one load.
type problems struct {
	list Errors
	seen map[Error]bool
}

func (p *problems) add(e Error) {
	if p.seen == nil {
		p.seen = map[Error]bool{}
	}
	if p.seen[e] {
		return
	}
	p.seen[e] = true
	p.list = append(p.list, e)
}

// at adds an error at a position.
func (p *problems) at(pos position, path keyPath, hint, format string, args ...any) {
	p.add(Error{
		File: pos.file, Line: pos.line, Column: pos.column,
		Path: path.String(), Message: fmt.Sprintf(format, args...), Hint: hint,
	})
}

func (p *problems) empty() bool { return len(p.list) == 0 }

// err is nil or Errors, by file in the order first met, then by line.
func (p *problems) err() error {
	if p.empty() {
		return nil
	}
	order := map[string]int{}
	for _, e := range p.list {
		if _, ok := order[e.File]; !ok {
			order[e.File] = len(order)
		}
	}
	slices.SortStableFunc(p.list, func(a, b Error) int {
		return cmp.Or(cmp.Compare(order[a.File], order[b.File]), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Path, b.Path))
	})
	return p.list
}
