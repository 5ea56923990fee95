package profiles

import (
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
	value  any
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

// find follows a path as far as it exists. It returns the position of the last existing key and the number of keys found.
func (it *item) find(path keyPath) (position, int) {
	pos := it.pos
	for n, p := range path {
		next := it.get(p)
		if next == nil {
			return pos, n
		}
		if it.fields != nil {
			pos = it.keyPos[p]
		} else {
			pos = next.pos
		}
		it = next
	}
	return pos, len(path)
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

func (it *item) str() string {
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
