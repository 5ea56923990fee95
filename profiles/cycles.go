package profiles

import (
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// edge returns the place in the file that makes a service wait for another, and the name of its field: Compose adds dependencies for
// links, volumes_from and shared namespaces.
func (x crossRef) edge(s types.ServiceConfig, on string) (path keyPath, field string) {
	at := keyPath{"services", s.Name}
	if path := at.with("depends_on", on); x.l.loc.at(path...).depth == len(path) {
		return path, "depends_on"
	}
	for _, share := range []struct{ field, mode string }{{"network_mode", s.NetworkMode}, {"pid", s.Pid}, {"ipc", s.Ipc}} {
		if share.mode == types.ServicePrefix+on {
			return at.with(share.field), share.field
		}
	}
	named := func(entry string) bool { name, _, _ := strings.Cut(entry, ":"); return name == on }
	if i := slices.IndexFunc(s.VolumesFrom, named); i >= 0 {
		return at.with("volumes_from", index(i)), "volumes_from"
	}
	if i := slices.IndexFunc(s.Links, named); i >= 0 {
		return at.with("links", index(i)), "links"
	}
	return at.with("depends_on", on), "depends_on"
}

// cycles reports each dependency cycle once, with the services along it and what makes each wait for the next.
func (x crossRef) cycles() {
	done := map[string]bool{}
	var open []string
	var walk func(string)
	walk = func(name string) {
		if at := slices.Index(open, name); at >= 0 {
			x.cycle(append(slices.Clone(open[at:]), name))
			return
		}
		if _, ok := x.p.Services[name]; !ok || done[name] {
			return
		}
		open = append(open, name)
		for _, on := range slices.Sorted(maps.Keys(x.p.Services[name].DependsOn)) {
			walk(on)
		}
		open = open[:len(open)-1]
		done[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(x.p.Services)) {
		walk(name)
	}
}

// cycle reports one cycle at its last edge. If it is not one of depends_on alone, the text says what each edge is.
func (x crossRef) cycle(names []string) {
	var fields []string
	var last keyPath
	for i, name := range names[:len(names)-1] {
		path, field := x.edge(x.p.Services[name], names[i+1])
		fields, last = append(fields, field), path
	}
	text := names[0]
	plain := !slices.ContainsFunc(fields, func(f string) bool { return f != "depends_on" })
	for i, name := range names[1:] {
		if plain {
			text += " -> " + name
		} else {
			text += " -> " + name + " (" + fields[i] + ")"
		}
	}
	hint := "remove one of the dependencies"
	if !plain {
		hint = "each waits for the next to start; remove one of them"
	}
	x.bad(hint, last, "dependency cycle: %s", text)
}
