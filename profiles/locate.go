package profiles

// locator says where in the files a value of the merged model comes from.
type locator struct {
	sources []source
	// extends says which service a service takes its other fields from.
	extends map[string]string
}

// source is a tree that was merged into the model: a document, or a profile's fragment of one (prefix is then the way to it).
type source struct {
	root   *item
	prefix keyPath
}

func (l *locator) add(root *item, prefix keyPath) {
	if root != nil {
		l.sources = append(l.sources, source{root, prefix})
	}
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
		if base != nil && base.str() != "" && base.str() != name {
			l.extends[name] = base.str()
		}
	}
}

// find gives the place of a path of the model and the path as the file has it. What is not in any file (a default,
// something Compose computed) gets the place of the nearest enclosing key.
func (l *locator) find(parts ...string) (position, keyPath) {
	best, bestDepth := position{}, -1
	var shown keyPath
	seen := map[string]bool{}
	for path := keyPath(parts); ; {
		for i := len(l.sources) - 1; i >= 0; i-- {
			s := l.sources[i]
			if pos, depth := s.root.find(path); depth > bestDepth {
				best, bestDepth, shown = pos, depth, s.prefix.with(path...)
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

// pos is find without the path.
func (l *locator) pos(parts ...string) position {
	pos, _ := l.find(parts...)
	return pos
}
