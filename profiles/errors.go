package profiles

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one mistake in a file.
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
	// Excerpt are the lines of the file that the error is about, with their numbers and a caret; "" if there is no position.
	Excerpt string `json:"-"`

	// also is another line of the same file to show, 0 for none.
	also int
}

// Error returns "file:line:column: path: message; hint".
func (e Error) Error() string {
	text := e.where() + ": "
	if e.Path != "" {
		text += e.Path + ": "
	}
	text += e.Message
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

// where is file:line:column, as far as it is known.
func (e Error) where() string { return position{e.File, e.Line, e.Column}.full() }

// Errors are all mistakes in the files of a stack: first by file, in the order in which the files were read, then by line.
type Errors []Error

// Error returns one line per mistake.
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

// problems collects the mistakes of one load.
type problems struct {
	list Errors
	seen map[Error]bool
	// files are the names of the files that were read, in order, sources their lines.
	files   []string
	sources map[string][]string
	// damage are the places of mistakes. What later stages say about them follows from the mistake and is left out.
	damage []damage
	// broken is true if a file could not be parsed, so that what it declares is not known.
	broken bool
	// repaired is how many entries of damage have been repaired.
	repaired int
}

// damage is the place of a mistake in a file, and how the tree is repaired so that later stages can go on.
type damage struct {
	file string
	pos  position
	// path leads to the value in the file; it may lead to an element of a list by its text, as depends_on.NAME does.
	path keyPath
	// rename is the key that was meant; without it the value is taken out. image is true for a service without image.
	rename string
	image  bool
}

func (p *problems) source(file string, content []byte) {
	if p.sources == nil {
		p.sources = map[string][]string{}
	}
	if _, ok := p.sources[file]; !ok {
		p.files = append(p.files, file)
	}
	p.sources[file] = strings.Split(string(content), "\n")
}

// add adds a mistake unless there is already one at the same place, or the same one: an alias repeats what its anchor has.
func (p *problems) add(e Error) {
	place := Error{File: e.File, Line: e.Line, Column: e.Column, Path: e.Path}
	same := Error{File: e.File, Line: e.Line, Column: e.Column, Message: e.Message}
	if e.Path == "" || e.Line == 0 {
		place.Message = e.Message
	}
	if p.seen == nil {
		p.seen = map[Error]bool{}
	}
	if p.seen[place] || e.Line > 0 && p.seen[same] {
		return
	}
	p.seen[place], p.seen[same] = true, true
	p.list = append(p.list, e)
}

// at adds a mistake at a position.
func (p *problems) at(pos position, path keyPath, hint, format string, args ...any) {
	p.say(damage{file: pos.file, pos: pos, path: path}, Error{Path: path.String(), Message: fmt.Sprintf(format, args...), Hint: hint})
}

// say adds a mistake at a place, which is remembered as damaged.
func (p *problems) say(d damage, e Error) {
	e.File, e.Line, e.Column = d.pos.file, d.pos.line, d.pos.column
	d.file = d.pos.file
	if !p.follows(d.path) {
		p.add(e)
		p.spoil(d)
	}
}

// spoil remembers a place that is to be repaired.
func (p *problems) spoil(d damage) {
	known := func(o damage) bool { return o.file == d.file && slices.Equal(o.path, d.path) }
	if len(d.path) > 0 && !slices.ContainsFunc(p.damage, known) {
		p.damage = append(p.damage, d)
	}
}

// follows reports whether something about a place follows from a mistake that has been repaired: the place is in the damaged
// value, or contains it and is not a whole service or section.
func (p *problems) follows(path keyPath) bool {
	path = modelPath(path)
	return slices.ContainsFunc(p.damage[:p.repaired], func(d damage) bool {
		at := modelPath(d.path)
		return d.rename == "" && !d.image && (hasPrefix(path, at) || len(path) > 2 && hasPrefix(at, path))
	})
}

// damaged reports whether a mistake is exactly at a place of the merged model.
func (p *problems) damaged(path ...string) bool {
	return slices.ContainsFunc(p.damage, func(d damage) bool { return slices.Equal(modelPath(d.path), keyPath(path)) })
}

// damagedName reports whether a mistake is in the declaration of something with a name.
func (p *problems) damagedName(name string) bool {
	return slices.ContainsFunc(p.damage, func(d damage) bool { return slices.Contains(modelPath(d.path), name) })
}

// beside reports whether a mistake is in the same mapping, which is inside of x-lyandev.
func (p *problems) beside(path keyPath) bool {
	path = modelPath(path)
	if len(path) < 2 || !slices.Contains(path[:len(path)-1], extensionKey) {
		return false
	}
	return slices.ContainsFunc(p.damage, func(d damage) bool {
		at := modelPath(d.path)
		return len(at) == len(path) && hasPrefix(at, path[:len(path)-1])
	})
}

// modelPath is the path in the merged model: a profile's fragment is merged over the top of the file.
func modelPath(path keyPath) keyPath {
	if len(path) > 3 && path[0] == extensionKey && path[1] == "profiles" {
		return path[3:]
	}
	return path
}

// has reports whether there is an error at a place already.
func (p *problems) has(pos position, path keyPath) bool {
	return slices.ContainsFunc(p.list, func(e Error) bool {
		return e.File == pos.file && e.Line == pos.line && e.Path == path.String()
	})
}

func (p *problems) empty() bool { return len(p.list) == 0 }

// err returns nil or Errors with their excerpts, ordered by file, line and column.
func (p *problems) err() error {
	if p.empty() {
		return nil
	}
	order := func(e Error) int { return slices.Index(p.files, e.File) }
	slices.SortStableFunc(p.list, func(a, b Error) int {
		return cmp.Or(cmp.Compare(order(a), order(b)), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Path, b.Path))
	})
	for i := range p.list {
		p.list[i].Excerpt = excerpt(p.sources[p.list[i].File], p.list[i])
	}
	return p.list
}
