package profiles

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one error in a file.
type Error struct {
	// File is the file as given by the user. Line and Column start at 1; 0 means unknown.
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	// Path is the key path ("services.web.ports[0]"), "" for the file as a whole.
	Path    string `json:"path,omitempty"`
	Message string `json:"message"`
	// Hint is how to fix it, "" if the message is sufficient.
	Hint string `json:"hint,omitempty"`
}

// Error returns "file:line: path: message (hint)".
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

// Errors are all errors in the files of a stack, ordered by file and line.
type Errors []Error

// Error returns one line per error.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap makes the single errors available to errors.As.
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

// has reports whether there is an error at a place already.
func (p *problems) has(pos position, path keyPath) bool {
	return slices.ContainsFunc(p.list, func(e Error) bool {
		return e.File == pos.file && e.Line == pos.line && e.Path == path.String()
	})
}

func (p *problems) empty() bool { return len(p.list) == 0 }

// err returns nil or Errors, ordered by first occurrence of the file, then by line.
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
