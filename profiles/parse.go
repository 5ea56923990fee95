package profiles

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v4"
)

// Limits of a file: far above what real files need, and low enough to bound memory and time.
const (
	maxFileBytes = 1 << 20
	maxDepth     = 64
	maxNodes     = 100_000
)

// document is one YAML document of a file.
type document struct {
	// file is the name for messages, path the absolute path.
	file, path string
	// node has aliases expanded and keeps Compose's !reset and !override; root is its content with positions.
	node *yaml.Node
	root *item
	// env are the variables of an included or extended file, nil for the named files. included is true for included ones.
	env      types.Mapping
	included bool
	// extended are the services of the document that others extend.
	extended []string
}

// related reports whether the document is from a file that another one includes or extends.
func (d *document) related() bool { return d.env != nil }

// parse parses all documents of a file.
func parse(file, path string, content []byte, p *problems) []*document {
	p.source(file, content)
	var docs []*document
	dec := yaml.NewDecoder(bytes.NewReader(content))
	for {
		var n yaml.Node
		err := decodeNode(dec, &n)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			p.add(yamlError(file, p.sources[file], err))
			p.broken = true
			return nil
		}
		if d := newDocument(file, path, &n, p); d != nil {
			docs = append(docs, d)
		}
	}
	return docs
}

// decodeNode decodes YAML and returns a panic of the parser as an error, because the content is untrusted.
func decodeNode(dec *yaml.Decoder, n *yaml.Node) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the YAML parser failed: %v", r)
		}
	}()
	return dec.Decode(n)
}

func newDocument(file, path string, n *yaml.Node, p *problems) *document {
	if n.Kind == yaml.DocumentNode {
		if len(n.Content) == 0 {
			return nil
		}
		n = n.Content[0]
	}
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		return nil
	}
	x := expander{file: file, p: p, open: map[*yaml.Node]bool{}}
	node := x.expand(n, 0)
	if !x.failed && node.Kind != yaml.MappingNode {
		x.fail(node, "begin with services:", "the top of the file must be a mapping")
	}
	if x.failed {
		p.broken = true
		return nil
	}
	root := x.item(node, nil)
	return &document{file: file, path: path, node: node, root: root}
}

// expander copies a node tree with aliases replaced by their anchors' content, within the limits.
type expander struct {
	file   string
	p      *problems
	open   map[*yaml.Node]bool
	count  int
	failed bool
}

func (x *expander) pos(n *yaml.Node) position {
	return position{file: x.file, line: n.Line, column: n.Column}
}

func (x *expander) fail(n *yaml.Node, hint, format string, args ...any) *yaml.Node {
	if !x.failed {
		x.p.at(x.pos(n), nil, hint, format, args...)
	}
	x.failed = true
	return n
}

func (x *expander) expand(n *yaml.Node, depth int) *yaml.Node {
	x.count++
	switch {
	case x.failed:
		return n
	case depth > maxDepth:
		return x.fail(n, "", "nested deeper than %d levels", maxDepth)
	case x.count > maxNodes:
		return x.fail(n, "an alias counts with all values of its anchor", "more than %d values", maxNodes)
	}
	if n.Kind == yaml.AliasNode {
		if x.open[n.Alias] {
			return x.fail(n, "", "alias *%s contains itself", n.Value)
		}
		x.open[n.Alias] = true
		defer delete(x.open, n.Alias)
		return x.expand(n.Alias, depth+1)
	}
	c := *n
	c.Anchor, c.Alias, c.Content = "", nil, make([]*yaml.Node, 0, len(n.Content))
	c.HeadComment, c.LineComment, c.FootComment = "", "", ""
	if c.Kind == yaml.ScalarNode && c.ShortTag() == "!!null" {
		c.Value, c.Style = "null", 0 // the empty value of {A: } would be written as a text for compose-go
	}
	if n.Anchor != "" {
		x.open[n] = true
		defer delete(x.open, n)
	}
	for _, child := range n.Content {
		c.Content = append(c.Content, x.expand(child, depth+1))
	}
	return &c
}

// item converts an expanded node. It reports duplicate keys and keys that are not scalars.
func (x *expander) item(n *yaml.Node, path keyPath) *item {
	switch n.Kind {
	case yaml.MappingNode:
		return x.mapping(n, path)
	case yaml.SequenceNode:
		it := &item{pos: x.pos(n), isList: true}
		for i, c := range n.Content {
			if c.Tag != "!reset" {
				it.list = append(it.list, x.item(c, path.with(index(i))))
			}
		}
		return it
	}
	return &item{pos: x.pos(n), value: scalar(n)}
}

func (x *expander) mapping(n *yaml.Node, path keyPath) *item {
	it := newMapping(x.pos(n))
	first := map[string]int{}
	var merges, content []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode {
			x.p.add(Error{
				File: x.file, Line: k.Line, Column: k.Column, Path: path.String(),
				Message: "a key must be a text, not a list or a mapping", Hint: "write it in quotes",
			})
			continue
		}
		if line, dup := first[k.Value]; dup {
			x.p.add(Error{
				File: x.file, Line: k.Line, Column: k.Column, Path: path.with(k.Value).String(),
				Message: "duplicate key", Hint: fmt.Sprintf("the first is on line %d; remove one of them", line), also: line,
			})
			continue
		}
		if what := notText(k); what != "" && !anyKeys(path) {
			x.p.add(Error{
				File: x.file, Line: k.Line, Column: k.Column, Path: path.with(k.Value).String(),
				Message: fmt.Sprintf("the key %s is read as %s, and a key must be a text", k.Value, what), Hint: "write it in quotes",
			})
			continue
		}
		content = append(content, k, v)
		first[k.Value] = k.Line
		switch {
		case isMerge(k):
			merges = append(merges, v)
		case v.Tag != "!reset":
			it.set(k.Value, x.pos(k), x.item(v, path.with(k.Value)))
		}
	}
	n.Content = content
	for _, m := range merges {
		x.merge(it, m, path)
	}
	return it
}

// notText says what a key is that is not a text, "" for a text.
func notText(k *yaml.Node) string {
	switch k.ShortTag() {
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "a boolean"
	case "!!null":
		return "no value"
	}
	return ""
}

// anyKeys reports whether a mapping may have keys of any kind: the ports of x-lyandev.localhost, and extensions that nobody reads.
func anyKeys(path keyPath) bool {
	return slices.Contains(path, "localhost") || len(path) > 0 && path[0] != extensionKey && strings.HasPrefix(path[0], "x-")
}

// merge applies YAML's "<<". Existing keys take precedence; in a list, earlier mappings take precedence over later ones.
func (x *expander) merge(it *item, m *yaml.Node, path keyPath) {
	sources := []*yaml.Node{m}
	if m.Kind == yaml.SequenceNode {
		sources = m.Content
	}
	for _, s := range sources {
		if s.Kind != yaml.MappingNode {
			x.p.at(x.pos(s), path.with("<<"), "", "only a mapping can be merged")
			continue
		}
		from := x.item(s, path)
		for _, k := range from.keys {
			if _, ok := it.fields[k]; !ok {
				it.set(k, from.keyPos[k], from.fields[k])
			}
		}
	}
}

// scalar returns the value of a YAML scalar; values that JSON cannot represent stay strings.
func scalar(n *yaml.Node) any {
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool", "!!int":
		var v any
		if err := n.Decode(&v); err == nil {
			switch v.(type) {
			case bool, int, int64, uint64:
				return v
			}
		}
	case "!!float":
		var f float64
		if err := n.Decode(&f); err == nil && !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f
		}
	}
	return n.Value
}
