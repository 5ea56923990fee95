package profiles

import (
	"slices"

	"go.yaml.in/yaml/v4"
)

// repair takes the values of new mistakes out of the trees, or gives a misspelt key the name that was meant, so that later stages can
// go on and report only mistakes of their own. It reports whether it changed anything.
func (l *load) repair() bool {
	changed := false
	for ; l.p.repaired < len(l.p.damage); l.p.repaired++ {
		d := l.p.damage[l.p.repaired]
		for _, doc := range l.docs {
			if doc.file == d.file && doc.repair(d) {
				changed = true
			}
		}
	}
	return changed
}

// repair repairs one place. It returns false if the document has no such place.
func (d *document) repair(at damage) bool {
	it, n := d.root, d.node
	last := len(at.path) - 1
	if at.image {
		last++
	}
	for _, part := range at.path[:max(last, 0)] {
		it, n = it.repairStep(n, part)
		if it == nil || n == nil {
			return false
		}
	}
	switch {
	case at.image && n.Kind == yaml.MappingNode:
		n.Content = append(n.Content, textNode("image"), textNode("scratch"))
		return true
	case last < 0 || at.image:
		return false
	case it.isList && n.Kind == yaml.SequenceNode:
		return it.dropElement(n, at.path[last])
	case it.isMap() && n.Kind == yaml.MappingNode && it.fields[at.path[last]] != nil:
		it.changeKey(n, at.path[last], at.rename)
		return true
	}
	return false
}

func textNode(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
}

// repairStep goes to a child in both trees. Indexes are those of the file.
func (it *item) repairStep(n *yaml.Node, part string) (*item, *yaml.Node) {
	if !it.isList {
		return it.get(part), child(n, part)
	}
	i := it.current(part)
	if i < 0 {
		return nil, nil
	}
	at := it.list[i]
	for _, c := range n.Content {
		if c.Line == at.pos.line && c.Column == at.pos.column {
			return at, c
		}
	}
	return nil, nil
}

// current is the index that an element of the file has in the list now, -1 if it is not there.
func (it *item) current(part string) int {
	for i := range it.list {
		if index(it.original(i)) == part {
			return i
		}
	}
	return -1
}

func (it *item) dropElement(n *yaml.Node, part string) bool {
	gone, node := it.repairStep(n, part)
	i := it.current(part)
	if gone == nil || node == nil {
		return false
	}
	if it.kept == nil {
		for k := range it.list {
			it.kept = append(it.kept, k)
		}
	}
	it.list, it.kept = slices.Delete(slices.Clone(it.list), i, i+1), slices.Delete(it.kept, i, i+1)
	n.Content = slices.DeleteFunc(n.Content, func(c *yaml.Node) bool { return c == node })
	return true
}

// changeKey renames a key of a mapping, or takes it out if rename is "" or there already.
func (it *item) changeKey(n *yaml.Node, key, rename string) {
	if it.fields[rename] != nil {
		rename = ""
	}
	value, pos := it.fields[key], it.keyPos[key]
	delete(it.fields, key)
	delete(it.keyPos, key)
	it.keys = slices.DeleteFunc(it.keys, func(k string) bool { return k == key })
	if rename != "" {
		it.set(rename, pos, value)
	}
	changeNodeKey(n, key, rename)
}

func changeNodeKey(n *yaml.Node, key, rename string) {
	var content []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		switch {
		case isMerge(k):
			for _, from := range append([]*yaml.Node{v}, v.Content...) {
				if from.Kind == yaml.MappingNode {
					changeNodeKey(from, key, rename)
				}
			}
		case k.Value == key && rename == "":
			continue
		case k.Value == key:
			k.Value = rename
		}
		content = append(content, k, v)
	}
	n.Content = content
}
