package profiles

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

// find returns the position of a path of the model and the path in the file. A value that is in no file (a default or a
// computed value) gets the position of the nearest enclosing key.
func (l *locator) find(parts ...string) (position, keyPath) {
	best, bestDepth := position{}, -1
	var shown keyPath
	seen := map[string]bool{}
	for path := keyPath(parts); ; {
		for _, list := range [][]source{l.sources, l.related} {
			for i := len(list) - 1; i >= 0; i-- {
				if pos, depth := list[i].root.find(path); depth > bestDepth {
					best, bestDepth, shown = pos, depth, list[i].prefix.with(path...)
				}
			}
		}
		if bestDepth == len(parts) || len(path) < 2 || path[0] != "services" || seen[path[1]] || l.extends[path[1]] == "" {
			break
		}
		seen[path[1]] = true
		path = append(keyPath{"services", l.extends[path[1]]}, path[2:]...)
	}
	return best, shown
}

// pos returns the position only.
func (l *locator) pos(parts ...string) position {
	pos, _ := l.find(parts...)
	return pos
}
