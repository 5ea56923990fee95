package profiles

import (
	"slices"
	"strings"
)

// noteIgnored adds a note for each attribute in the files that the table of support says is ignored. Services that are not part of
// the stack do not count.
func (c *converter) noteIgnored() {
	for _, list := range [][]source{c.l.loc.sources, c.l.loc.related} {
		for _, s := range list {
			for _, key := range s.root.keys {
				if strings.HasPrefix(key, "x-") || len(s.prefix) > 0 && !slices.Contains(fragmentKeys, key) {
					continue
				}
				if key != "services" {
					c.unapplied(s.root.fields[key], key, s.prefix.with(key), c.anyPlain())
					continue
				}
				c.unappliedServices(s.root.fields[key], s.prefix.with(key))
			}
		}
	}
}

func (c *converter) unappliedServices(services *item, at keyPath) {
	if !services.isMap() {
		return
	}
	for _, name := range services.keys {
		if user, ok := c.user(name); ok {
			c.unapplied(services.fields[name], "services.*", at.with(name), c.plain[user])
		}
	}
}

// user is the service of the stack that a declaration is for: itself, or one that extends it.
func (c *converter) user(name string) (string, bool) {
	if _, ok := c.project.Services[name]; ok {
		return name, true
	}
	for service := range c.project.Services {
		for base, depth := service, 0; base != "" && depth < maxDepth; base, depth = c.l.loc.extends[base], depth+1 {
			if base == name {
				return service, true
			}
		}
	}
	return "", false
}

func (c *converter) anyPlain() bool {
	for _, plain := range c.plain {
		if plain {
			return true
		}
	}
	return false
}

// unapplied notes a value if it is ignored, else looks at what is below it. pattern is the value's path in the table, shown its
// path in the file.
func (c *converter) unapplied(it *item, pattern string, shown keyPath, plain bool) {
	if empty(it) {
		return
	}
	if row, ok := supportOf(pattern); ok {
		if level, reason := row.level(plain); level == Ignored {
			c.unappliedAt(it.pos, shown, reason)
			return
		}
	}
	for i, e := range it.list {
		c.unapplied(e, pattern+".[]", shown.with(index(i)), plain)
	}
	for _, k := range it.keys {
		if strings.HasPrefix(k, "x-") {
			continue
		}
		next := pattern + "." + k
		if _, known := supportOf(next); !known || strings.HasSuffix(pattern, ".environment") {
			next = pattern + ".*"
		}
		c.unapplied(it.fields[k], next, shown.with(k), plain)
	}
}

// empty reports whether a value asks for nothing: it is absent, false or empty.
func empty(it *item) bool {
	switch {
	case it == nil:
		return true
	case it.isMap():
		return len(it.keys) == 0
	case it.isList:
		return len(it.list) == 0
	}
	return it.value == nil || it.value == false || it.value == ""
}

func (c *converter) unappliedAt(pos position, shown keyPath, reason string) {
	c.l.notApplied = appendNew(c.l.notApplied, c.l.note(pos, shown, "ignored: %s", reason))
}
