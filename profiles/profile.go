package profiles

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/tree"
	"go.yaml.in/yaml/v4"
)

// extensionKey is the key of lyandev's extensions in a Compose file.
const extensionKey = "x-lyandev"

// profile is one entry of x-lyandev.profiles, with its fragments from all documents.
type profile struct {
	name        string
	description string
	extends     []string
	// base is true for a profile that only others use.
	base bool
	// activate are the Compose profiles to activate. If nil, the profile activates the Compose profile of the same name.
	activate  []string
	pos       position
	fragments []fragment
}

// fragment is one document's part of a profile.
type fragment struct {
	doc    *document
	node   *yaml.Node
	root   *item
	prefix keyPath
}

// fragmentKeys are the Compose keys of a profile; their values are merged over the file's.
var fragmentKeys = []string{"services", "volumes", "networks", "configs", "secrets", extensionKey}

// readProfiles collects the profiles of all documents, in the order of the files.
func readProfiles(docs []*document, in *interpolator) ([]string, map[string]*profile) {
	var order []string
	all := map[string]*profile{}
	for _, d := range docs {
		decl := d.root.get(extensionKey, "profiles")
		if !decl.isMap() {
			continue
		}
		for _, name := range decl.keys {
			pr := all[name]
			if pr == nil {
				pr = &profile{name: name, pos: decl.keyPos[name]}
				all[name] = pr
				order = append(order, name)
			}
			pr.read(d, decl.fields[name], in)
		}
	}
	return order, all
}

// read adds a document's part. Variables in extends are substituted here, since they determine which fragments are used: a name
// that becomes empty is left out.
func (pr *profile) read(d *document, it *item, in *interpolator) {
	if s := it.get("description"); s != nil {
		pr.description = s.str()
	}
	if b, ok := it.get("base").plain().(bool); ok {
		pr.base = b
	}
	if e := it.get("extends"); e != nil {
		in.tree(e, tree.NewPath(), keyPath{extensionKey, "profiles", pr.name, "extends"}, false)
		pr.extends = stringsOf(e)
	}
	if a := it.get("activate"); a != nil {
		pr.activate = append([]string{}, stringsOf(a)...)
	}
	prefix := keyPath{extensionKey, "profiles", pr.name}
	pr.fragments = append(pr.fragments, fragment{doc: d, node: child(d.node, prefix...), root: it, prefix: prefix})
}

func stringsOf(it *item) []string {
	if !it.isList {
		if s := it.str(); s != "" {
			return []string{s}
		}
		return nil
	}
	var out []string
	for _, e := range it.list {
		if s := e.str(); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// fields returns a mapping's keys and values, alternating, including those from merge keys.
func fields(n *yaml.Node) []*yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	var out []*yaml.Node
	seen := map[string]bool{}
	add := func(k, v *yaml.Node) {
		if !seen[k.Value] {
			seen[k.Value] = true
			out = append(out, k, v)
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if !isMerge(n.Content[i]) {
			add(n.Content[i], n.Content[i+1])
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if !isMerge(n.Content[i]) {
			continue
		}
		from := []*yaml.Node{n.Content[i+1]}
		if from[0].Kind == yaml.SequenceNode {
			from = from[0].Content
		}
		for _, f := range from {
			more := fields(f)
			for j := 0; j+1 < len(more); j += 2 {
				add(more[j], more[j+1])
			}
		}
	}
	return out
}

func isMerge(k *yaml.Node) bool {
	return k.Value == "<<" && k.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0
}

// child returns the node at a path of mapping keys, nil if there is none.
func child(n *yaml.Node, path ...string) *yaml.Node {
	for _, p := range path {
		content := fields(n)
		n = nil
		for i := 0; i+1 < len(content); i += 2 {
			if content[i].Value == p {
				n = content[i+1]
			}
		}
	}
	return n
}

// compose returns the fragment as a Compose document, nil if it has no Compose keys.
func (f fragment) compose() *yaml.Node {
	out := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	content := fields(f.node)
	for i := 0; i+1 < len(content); i += 2 {
		if slices.Contains(fragmentKeys, content[i].Value) {
			out.Content = append(out.Content, content[i], content[i+1])
		}
	}
	if len(out.Content) == 0 {
		return nil
	}
	return out
}

// withoutProfiles returns a document's node without x-lyandev.profiles, without foreign x- extensions (aliases are already expanded,
// so nothing refers to them, and merging takes time for every value) and without version, of which compose-go warns.
func withoutProfiles(n *yaml.Node) *yaml.Node {
	out := *n
	out.Content = nil
	all := fields(n)
	for i := 0; i+1 < len(all); i += 2 {
		if key := all[i].Value; key == extensionKey || key != "version" && !strings.HasPrefix(key, "x-") {
			out.Content = append(out.Content, all[i], all[i+1])
		}
	}
	for i := 0; i+1 < len(out.Content); i += 2 {
		if out.Content[i].Value != extensionKey || out.Content[i+1].Kind != yaml.MappingNode {
			continue
		}
		ext := *out.Content[i+1]
		ext.Content = nil
		content := fields(out.Content[i+1])
		for j := 0; j+1 < len(content); j += 2 {
			if content[j].Value != "profiles" {
				ext.Content = append(ext.Content, content[j], content[j+1])
			}
		}
		out.Content[i+1] = &ext
	}
	return &out
}

// choose determines the active profiles: the activated Compose profiles, and the chain of x-lyandev profiles that the chosen one
// extends, bases first. The chain is nil if there is none.
func (l *load) choose() []*profile {
	var names []string
	for _, p := range l.o.Profiles {
		names = appendNew(names, splitList(p)...)
	}
	own, isDefault := "", false
	if l.o.NoProfiles {
		isDefault = true
	} else if len(names) > 0 {
		own = l.chosen(names, true)
		l.profile, isDefault = strings.Join(names, ","), !slices.ContainsFunc(names, func(n string) bool { return n != allProfiles })
	} else {
		own = l.chosen(splitList(l.env["COMPOSE_PROFILES"]), false)
		l.profile, isDefault = own, true
	}
	for _, n := range splitList(l.o.Active) {
		if own == "" && l.choosable(n) {
			own, l.profile = n, strings.Join(append([]string{n}, names...), ",")
		}
	}
	if own == "" && isDefault {
		if own = l.defaultProfile(); l.profile == "" {
			l.profile = own
		}
	}
	l.own = own
	l.activateServices()
	if l.profiles[own] == nil {
		return nil
	}
	var chain []*profile
	l.follow(l.profiles[own], nil, &chain)
	for _, pr := range chain {
		if pr.activate == nil {
			l.activated = append(l.activated, pr.name)
		}
		l.activated = append(l.activated, pr.activate...)
	}
	return chain
}

// activateServices activates the Compose profiles of the services that are asked for by name.
func (l *load) activateServices() {
	for _, name := range l.o.Services {
		for _, d := range l.docs {
			if p := d.root.get("services", name, "profiles"); p != nil {
				l.activated = appendNew(l.activated, stringsOf(p)...)
			}
		}
	}
}

// allProfiles is Compose's name for every Compose profile.
const allProfiles = "*"

// chosen activates the Compose profiles among the names and returns the x-lyandev profile among them, "" if there is none. Names
// that must be known are errors if they are not; COMPOSE_PROFILES may be meant for other projects too.
func (l *load) chosen(names []string, mustBeKnown bool) string {
	own := ""
	for _, n := range names {
		switch {
		case l.choosable(n) && own != "":
			l.p.at(l.profiles[n].pos, keyPath{extensionKey, "profiles", n}, "choose one; a profile can extend others",
				"profiles %s and %s of x-lyandev cannot be active together", own, n)
		case l.choosable(n):
			own = n
		case mustBeKnown && n != allProfiles && !slices.Contains(l.composeProfiles(), n):
			l.noProfile = true
			l.p.add(Error{File: l.docs[0].file, Message: fmt.Sprintf("there is no profile %q", n), Hint: l.profileHint(n)})
		default:
			l.activated = append(l.activated, n)
		}
	}
	return own
}

// choosable reports whether x-lyandev has a profile of that name, and it is not only for others to extend.
func (l *load) choosable(name string) bool { return l.profiles[name] != nil && !l.profiles[name].base }

// defaultProfile returns x-lyandev.defaultProfile of the last document that has one.
func (l *load) defaultProfile() string {
	name := ""
	for _, d := range l.docs {
		if it := d.root.get(extensionKey, "defaultProfile"); it != nil {
			name = it.str()
			if !l.choosable(name) {
				l.p.at(it.pos, keyPath{extensionKey, "defaultProfile"}, l.profileHint(name), "there is no profile %q", name)
				return ""
			}
		}
	}
	return name
}

// follow appends a profile to the chain after the profiles that it extends.
func (l *load) follow(pr *profile, open []string, chain *[]*profile) {
	if slices.Contains(*chain, pr) {
		return
	}
	path := keyPath{extensionKey, "profiles", pr.name, "extends"}
	if at := slices.Index(open, pr.name); at >= 0 {
		if members := slices.Sorted(slices.Values(open[at:])); !l.cyclesTold && !slices.Contains(l.cycles, fmt.Sprint(members)) {
			l.cycles = append(l.cycles, fmt.Sprint(members))
			l.p.at(pr.extendsPos(pr.name), path, "remove one of them", "profiles extend each other in a cycle: %s", strings.Join(append(slices.Clone(open[at:]), pr.name), " -> "))
		}
		return
	}
	open = append(slices.Clone(open), pr.name)
	for _, base := range pr.extends {
		if b := l.profiles[base]; b != nil {
			l.follow(b, open, chain)
		} else {
			l.p.at(pr.extendsPos(base), path, l.profileHint(base), "there is no profile %q", base)
		}
	}
	*chain = append(*chain, pr)
}

// extendsPos is the position of a name in extends, or of extends itself.
func (pr *profile) extendsPos(name string) position {
	for _, f := range pr.fragments {
		if f.root.get("extends") != nil {
			pos, _, _ := f.root.find(keyPath{"extends", name})
			return pos
		}
	}
	return pr.pos
}

func (l *load) profileHint(name string) string {
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(l.profiles)), func(n string) bool { return l.profiles[n].base })
	for _, n := range l.composeProfiles() {
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	if len(names) == 0 {
		return "the file has no profiles"
	}
	hint := "profiles: " + strings.Join(names, ", ")
	if s := Nearest(name, names); s != "" {
		hint = "did you mean " + s + "? " + hint
	}
	return hint
}

// composeProfiles returns the names in services.*.profiles, sorted.
func (l *load) composeProfiles() []string {
	names := map[string]bool{}
	for _, d := range slices.Concat(l.docs, l.related) {
		services := d.root.get("services")
		if !services.isMap() {
			continue
		}
		for _, s := range services.keys {
			if p := services.get(s, "profiles"); p != nil {
				for _, n := range stringsOf(p) {
					names[n] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func splitList(s string) []string {
	var out []string
	for _, p := range strings.Split(s, ",") {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}
