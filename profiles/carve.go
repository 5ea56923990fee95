package profiles

import (
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v4"
)

// carved are the values of x-lyandev that compose-go is not given, because nothing is merged into them: it compares every value in them
// with all of its patterns, several times, and leaves them as they are. They are most of the values of many files.
type carved struct {
	top      any
	services map[string]any
}

// mergedTree is one of the YAML trees that are merged.
type mergedTree struct {
	node *yaml.Node
	root *item
}

// merged are the trees that are merged, in order.
func (l *load) merged() []mergedTree {
	var out []mergedTree
	for _, d := range l.docs {
		out = append(out, mergedTree{withoutProfiles(d.node), d.root})
	}
	for _, pr := range l.chain {
		for _, f := range pr.fragments {
			out = append(out, mergedTree{f.node, f.root})
		}
	}
	return out
}

// carve finds what can be kept from compose-go: the x-lyandev of the top and of each service that only one tree has. There is nothing
// where a value can come from another file or service, after mistakes, or where a tag such as !override says how to merge.
func (l *load) carve() carved {
	out := carved{services: map[string]any{}}
	if l.o.whole || len(l.related) > 0 || len(l.p.damage) > 0 {
		return out
	}
	trees := l.merged()
	names := map[string]bool{}
	for _, t := range trees {
		services := child(t.node, "services")
		all := fields(services)
		if tagged(t.node) || tagged(services) {
			return out
		}
		for i := 0; i+1 < len(all); i += 2 {
			if tagged(all[i+1]) || child(all[i+1], "extends") != nil {
				return out
			}
			names[all[i].Value] = true
		}
	}
	if v := onlyOne(trees, extensionKey); v != nil {
		delete(v, "profiles")
		out.top = v
	}
	for name := range names {
		if v := onlyOne(trees, "services", name, extensionKey); v != nil {
			out.services[name] = v
		}
	}
	return out
}

// onlyOne returns the mapping at a path that exactly one of the trees has, nil if there is none.
func onlyOne(trees []mergedTree, path ...string) map[string]any {
	var found []mergedTree
	for _, t := range trees {
		if child(t.node, path...) != nil {
			found = append(found, t)
		}
	}
	if len(found) != 1 || anyTagged(child(found[0].node, path...)) {
		return nil
	}
	v, _ := found[0].root.get(path...).plain().(map[string]any)
	return v
}

// tagged reports whether a node has a tag that is not one of YAML's own.
func tagged(n *yaml.Node) bool {
	return n != nil && strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!")
}

func anyTagged(n *yaml.Node) bool { return tagged(n) || slices.ContainsFunc(n.Content, anyTagged) }

// without returns a tree's node without what is carved.
func (v carved) without(n *yaml.Node) *yaml.Node {
	return replaced(n, func(key string, value *yaml.Node) *yaml.Node {
		switch {
		case key == extensionKey && v.top != nil:
			return nil
		case key == "services":
			return replaced(value, func(name string, service *yaml.Node) *yaml.Node {
				if v.services[name] == nil {
					return service
				}
				return replaced(service, func(key string, value *yaml.Node) *yaml.Node {
					if key == extensionKey {
						return nil
					}
					return value
				})
			})
		}
		return value
	})
}

// replaced returns a copy of a mapping with other values; a key whose value becomes nil is left out. Other nodes stay as they are.
func replaced(n *yaml.Node, with func(key string, value *yaml.Node) *yaml.Node) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return n
	}
	out := *n
	out.Content = nil
	all := fields(n)
	for i := 0; i+1 < len(all); i += 2 {
		if value := with(all[i].Value, all[i+1]); value != nil {
			out.Content = append(out.Content, all[i], value)
		}
	}
	return &out
}

// restore gives a merged project what was carved.
func (v carved) restore(p *types.Project) {
	if v.top != nil {
		if p.Extensions == nil {
			p.Extensions = types.Extensions{}
		}
		p.Extensions[extensionKey] = v.top
	}
	for _, all := range []types.Services{p.Services, p.DisabledServices} {
		for name, s := range all {
			value := v.services[name]
			if value == nil {
				continue
			}
			if s.Extensions == nil {
				s.Extensions = types.Extensions{}
			}
			s.Extensions[extensionKey] = value
			all[name] = s
		}
	}
}
