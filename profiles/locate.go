package profiles

import "slices"

// locator finds the place in the files that a value of the merged model comes from.
type locator struct {
	sources []source
	// related are the trees of included and extended files. A value that is in a source too has its position there.
	related []source
	// extends maps a service to the service that it extends.
	extends map[string]string
}

// source is a tree that was merged into the model: a document, or a profile's fragment of one (prefix is then its path).
type source struct {
	root   *item
	prefix keyPath
}

func (l *locator) add(root *item, prefix keyPath) {
	if root != nil {
		l.sources = append(l.sources, source{root, prefix})
	}
	l.addExtends(root)
}

func (l *locator) addRelated(root *item) {
	l.related = append(l.related, source{root: root})
	l.addExtends(root)
}

// addExtends remembers which services extend which. What a named file says wins over an included or extended one.
func (l *locator) addExtends(root *item) {
	if l.extends == nil {
		l.extends = map[string]string{}
	}
	services := root.get("services")
	if !services.isMap() {
		return
	}
	for _, name := range services.keys {
		ext := services.fields[name].get("extends")
		base := ext.get("service")
		if base == nil {
			base = ext
		}
		if base != nil && base.str() != "" && base.str() != name && l.extends[name] == "" {
			l.extends[name] = base.str()
		}
	}
}

// place is where a path of the model is in the files.
type place struct {
	pos position
	// path is the path in the file as far as it exists there; depth is the number of parts of the model's path that it stands for.
	path  keyPath
	depth int
}

// at returns the place of a path of the model. A value that is in no file (a default or a computed value) gets the position of the
// nearest enclosing key.
func (l *locator) at(parts ...string) place {
	best := place{depth: -1}
	seen := map[string]bool{}
	for path := keyPath(parts); ; {
		for _, list := range [][]source{l.sources, l.related} {
			for i := len(list) - 1; i >= 0; i-- {
				if pos, depth, shown := list[i].root.find(path); depth > best.depth {
					best = place{pos, list[i].prefix.with(shown...), depth}
				}
			}
		}
		if best.depth == len(parts) || len(path) < 2 || path[0] != "services" || seen[path[1]] || l.extends[path[1]] == "" {
			return best
		}
		seen[path[1]] = true
		path = append(keyPath{"services", l.extends[path[1]]}, path[2:]...)
	}
}

// find returns the position of a path of the model and the whole path as it is in the file.
func (l *locator) find(parts ...string) (position, keyPath) {
	at := l.at(parts...)
	return at.pos, at.shown(parts)
}

// shown is the path for people: that in the file, but an element of a list that was found by its text keeps the text.
func (p place) shown(parts keyPath) keyPath {
	out := slices.Clone(p.path)
	for i := 1; i <= p.depth && i <= len(out); i++ {
		if part := parts[p.depth-i]; isIndex(out[len(out)-i]) && !isIndex(part) {
			out[len(out)-i] = part
		}
	}
	return append(out, parts[max(p.depth, 0):]...)
}

// pos returns the position only.
func (l *locator) pos(parts ...string) position { return l.at(parts...).pos }
