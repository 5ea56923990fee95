package profiles

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// TestReferenceNamesEveryKey: each key of the schema has an example, and no example has a key that is not there.
func TestReferenceNamesEveryKey(t *testing.T) {
	keys, err := Reference()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, k := range keys {
		where := map[bool]string{true: "service ", false: "top "}[k.InService]
		if known[where+k.Path] {
			t.Errorf("%s%s comes twice", where, k.Path)
		}
		known[where+k.Path] = true
		if k.Type == "" || k.Description == "" {
			t.Errorf("%s%s: type %q, description %q", where, k.Path, k.Type, k.Description)
		}
	}
	var schema map[string]any
	if err := json.Unmarshal(extensionSchema, &schema); err != nil {
		t.Fatal(err)
	}
	set := &schemaSet{raw: schema}
	for where, root := range map[string]any{"top ": schema, "service ": set.at("$defs/service")} {
		set.eachKey(root.(map[string]any), "", func(path string) {
			if !known[where+path] {
				t.Errorf("%s%s has no example in schema/examples.txt", where, path)
			}
		})
	}
}

// eachKey calls f with the path of every key of a schema. A profile's own x-lyandev is not followed.
func (s *schemaSet) eachKey(node map[string]any, path string, f func(path string)) {
	node = s.follow(node)
	properties, _ := node["properties"].(map[string]any)
	for name, sub := range properties {
		at := strings.TrimPrefix(path+"."+name, ".")
		f(at)
		s.eachKey(sub.(map[string]any), at, f)
	}
	if each, ok := node["additionalProperties"].(map[string]any); ok {
		s.eachKey(each, path+".NAME", f)
	}
	if items, ok := node["items"].(map[string]any); ok {
		s.eachKey(items, path+"[]", f)
	}
	alternatives, _ := node["oneOf"].([]any)
	for _, a := range alternatives {
		s.eachKey(a.(map[string]any), path, f)
	}
}

// TestExamplesLoad: each example is a file that loads, in every profile of it, is valid in an editor, and has the keys that it
// is an example of.
func TestExamplesLoad(t *testing.T) {
	keys, err := Reference()
	if err != nil {
		t.Fatal(err)
	}
	schema := editorSchema(t)
	loaded := map[string]bool{}
	for _, k := range keys {
		var p problems
		root := parse("compose.yaml", "compose.yaml", []byte(k.Example), &p)[0].root
		if !hasKey(root, k) {
			t.Errorf("the example of %s does not have it:\n%s", k.Path, k.Example)
		}
		if loaded[k.Example] {
			continue
		}
		loaded[k.Example] = true
		if err := against(t, schema, k.Path, k.Example); err != nil {
			t.Errorf("%s: %v\n%s", k.Path, err, k.Example)
		}
		dir := write(t, map[string]string{"compose.yaml": k.Example, "nginx.conf": "", "pages/index.html": ""})
		names := []string{""}
		if declared := root.get(extensionKey, "profiles"); declared != nil {
			names = append(names, declared.keys...)
		}
		for _, name := range names {
			if root.get(extensionKey, "profiles", name, "base") != nil {
				continue
			}
			s, err := Load(t.Context(), Options{WorkDir: dir, Profiles: []string{name}, Env: []string{"HOME=/root", "PATH=/bin"}})
			if err != nil {
				t.Errorf("%s: %v\n%s", k.Path, err, k.Example)
			} else if len(s.Notes) > 0 {
				t.Errorf("%s, profile %q: %s\n%s", k.Path, name, strings.Join(s.Notes, "\n"), k.Example)
			}
		}
	}
}

// hasKey reports whether a file has a key.
func hasKey(root *item, k Key) bool {
	nodes := []*item{root.get(extensionKey)}
	if k.InService {
		nodes = nil
		services := root.get("services")
		for _, name := range services.keys {
			nodes = append(nodes, services.get(name, extensionKey))
		}
	}
	for _, part := range strings.Split(strings.ReplaceAll(k.Path, "[]", ".[]"), ".") {
		var below []*item
		for _, n := range nodes {
			switch {
			case n == nil:
			case part == "[]":
				below = append(below, n.list...)
			case part == "NAME" && n.isMap():
				for _, key := range n.keys {
					below = append(below, n.fields[key])
				}
			default:
				below = append(below, n.get(part))
			}
		}
		nodes = slices.DeleteFunc(below, func(n *item) bool { return n == nil })
	}
	return len(nodes) > 0
}
