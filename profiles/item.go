package profiles

import (
	"slices"
	"strconv"
	"strings"
)

// position is a place in a file.
type position struct {
	file         string
	line, column int
}

// String returns file:line, or the file alone.
func (p position) String() string {
	if p.line == 0 {
		return p.file
	}
	return p.file + ":" + strconv.Itoa(p.line)
}

// full returns file:line:column, as far as they are known.
func (p position) full() string {
	if p.line > 0 && p.column > 0 {
		return p.String() + ":" + strconv.Itoa(p.column)
	}
	return p.String()
}

// keyPath is the path from the top of a document to a value; list indexes are written "[0]".
type keyPath []string

// String joins with dots, and indexes without ("services.web.ports[0]").
func (k keyPath) String() string {
	var b strings.Builder
	for _, s := range k {
		if b.Len() > 0 && !isIndex(s) {
			b.WriteByte('.')
		}
		b.WriteString(s)
	}
	return b.String()
}

func (k keyPath) with(parts ...string) keyPath {
	return append(append(make(keyPath, 0, len(k)+len(parts)), k...), parts...)
}

func isIndex(s string) bool { return strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") }

func index(i int) string { return "[" + strconv.Itoa(i) + "]" }

// item is a YAML value with its position: a mapping has fields, a sequence has list, a scalar has value.
type item struct {
	pos    position
	keys   []string
	fields map[string]*item
	// keyPos are the positions of a mapping's keys.
	keyPos map[string]position
	list   []*item
	isList bool
	// kept are the original indexes of the elements of list, if some were taken out; see repair.go.
	kept  []int
	value any
	// replaced is true if a variable was substituted in the scalar.
	replaced bool
}

func (it *item) isMap() bool { return it != nil && it.fields != nil }

// get returns the child by key or "[0]" index, nil if there is none.
func (it *item) get(parts ...string) *item {
	for _, p := range parts {
		switch {
		case it == nil:
			return nil
		case it.fields != nil:
			it = it.fields[p]
		case it.isList && isIndex(p):
			i, err := strconv.Atoi(p[1 : len(p)-1])
			if err != nil || i < 0 || i >= len(it.list) {
				return nil
			}
			it = it.list[i]
		default:
			return nil
		}
	}
	return it
}

// find follows a path as far as it exists. It returns the position of the last existing key, or of its value if that is a scalar and
// the path ends there; the number of parts found; and the path in the file. An element of a list of texts is also found by its text
// or the name before "=" or ":", as depends_on.NAME.
func (it *item) find(path keyPath) (position, int, keyPath) {
	pos := it.pos
	shown := make(keyPath, 0, len(path))
	for n, p := range path {
		next, at := it.child(p)
		if next == nil {
			if p == "[0]" && it != nil && it.value != nil {
				pos = it.pos // a text in the place of a list with one element
			}
			return pos, n, shown
		}
		pos = next.pos
		if it.fields != nil && (next.isMap() || next.isList || next.value == nil || n < len(path)-1) {
			pos = it.keyPos[p]
		}
		it, shown = next, append(shown, at)
	}
	return pos, len(path), shown
}

// child returns the child that a part of a path leads to, and the part in the file: the original index for an element of a list.
func (it *item) child(part string) (*item, string) {
	if it == nil || !it.isList {
		return it.get(part), part
	}
	var i int
	if isIndex(part) {
		i, _ = strconv.Atoi(part[1 : len(part)-1])
	} else {
		i = slices.IndexFunc(it.list, func(e *item) bool {
			name, _, _ := strings.Cut(strings.ReplaceAll(e.str(), ":", "="), "=")
			return e.str() == part || name == part
		})
	}
	if i < 0 || i >= len(it.list) {
		return nil, ""
	}
	return it.list[i], index(it.original(i))
}

// original is the index that the i-th element of a list has in the file.
func (it *item) original(i int) int {
	if i < len(it.kept) {
		return it.kept[i]
	}
	return i
}

// plain returns the value in the form of decoded JSON: map[string]any, []any and scalars.
func (it *item) plain() any {
	switch {
	case it == nil:
		return nil
	case it.fields != nil:
		m := make(map[string]any, len(it.keys))
		for _, k := range it.keys {
			m[k] = it.fields[k].plain()
		}
		return m
	case it.isList:
		l := make([]any, len(it.list))
		for i, c := range it.list {
			l[i] = c.plain()
		}
		return l
	}
	return it.value
}

// str is a text, "" for anything else and for nil.
func (it *item) str() string {
	if it == nil {
		return ""
	}
	s, _ := it.value.(string)
	return s
}

func (it *item) set(key string, pos position, v *item) {
	if _, ok := it.fields[key]; !ok {
		it.keys = append(it.keys, key)
	}
	it.fields[key] = v
	it.keyPos[key] = pos
}

func newMapping(pos position) *item {
	return &item{pos: pos, fields: map[string]*item{}, keyPos: map[string]position{}}
}
