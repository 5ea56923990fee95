package topics

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lyandev/lyandev/profiles"
)

const width = 80

const referenceHead = `x-lyandev: lyandev's keys in a Compose file

x-lyandev stands at the top of the file and in services. Docker Compose ignores
it. Keys that name a Kubernetes type accept its fields as in a manifest.
One key: lyandev help x-lyandev.probes.readiness. In an editor, with completion:
lyandev schema --install.

Versions. The keys here are those of version 1, the only one so far:
x-lyandev: {version: 1} at the top of the file says so, and a file that says
nothing means it. Within a version keys are added, none is removed, and none
changes its meaning or its default: your file goes on giving the same stack with
every later lyandev. What has to break that gets a new version, which only files
that ask for it have. A file of a version that your lyandev does not know is
refused, and nothing is changed.
`

// reference returns the text for a path of x-lyandev: all keys for "", else those that the path names and those below them.
func reference(path string) (string, error) {
	keys, err := profiles.Reference()
	if err != nil {
		return "", err
	}
	if path == "" {
		return all(keys), nil
	}
	var chosen []profiles.Key
	for _, k := range keys {
		if name := short(k.Path); name == short(path) || strings.HasPrefix(name, short(path)+".") {
			chosen = append(chosen, k)
		}
	}
	if len(chosen) == 0 {
		if above, ok := typeAbove(path, keys); ok {
			return reference(above)
		}
		return "", fmt.Errorf("there is no key %q in x-lyandev; %ssee lyandev help x-lyandev", path, nearest(path, keys))
	}
	var out strings.Builder
	write(&out, chosen)
	for _, k := range chosen {
		if short(k.Path) == short(path) && len(k.Fields) > 0 {
			fmt.Fprintf(&out, "Fields of a Kubernetes %s:\n\n", strings.Fields(strings.TrimPrefix(k.Type, "list of "))[0])
			for _, f := range k.Fields {
				out.WriteString(Wrap(fmt.Sprintf("%s (%s): %s", f.Name, f.Type, f.Description), "  ", width))
			}
			out.WriteByte('\n')
		}
	}
	return out.String(), nil
}

// typeAbove is the key above a path that leads into its Kubernetes type: probes.readiness for probes.readiness.httpGet.path.
func typeAbove(path string, keys []profiles.Key) (above string, ok bool) {
	for _, k := range keys {
		rest, below := strings.CutPrefix(short(path), short(k.Path)+".")
		field, _, _ := strings.Cut(rest, ".")
		if below && slices.ContainsFunc(k.Fields, func(f profiles.KeyField) bool { return f.Name == field }) {
			return k.Path, true
		}
	}
	return "", false
}

// nearest is the beginning of a hint to a key with a similar name, "" if there is none.
func nearest(path string, keys []profiles.Key) string {
	var known []string
	for _, k := range keys {
		known = append(known, short(k.Path))
	}
	if near := profiles.Nearest(short(path), known); near != "" {
		return "did you mean " + near + "? "
	}
	return ""
}

// short is a path without the parts that stand for any name or any entry.
func short(path string) string {
	parts := strings.Split(strings.ReplaceAll(path, "[]", ""), ".")
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "NAME" }), ".")
}

func all(keys []profiles.Key) string {
	var out strings.Builder
	out.WriteString(referenceHead)
	for _, inService := range []bool{false, true} {
		title := "At the top of the file"
		if inService {
			title = "In a service"
		}
		fmt.Fprintf(&out, "\n%s\n%s\n\n", title, strings.Repeat("=", len(title)))
		write(&out, slices.DeleteFunc(slices.Clone(keys), func(k profiles.Key) bool { return k.InService != inService }))
	}
	return out.String()
}

// write writes keys, and after those that share an example the example.
func write(out *strings.Builder, keys []profiles.Key) {
	for i, k := range keys {
		head := "x-lyandev." + k.Path
		if k.InService {
			head = "services.NAME." + head
		}
		out.WriteString(head + "\n")
		kind := k.Type
		if k.Default != "" {
			kind += "; default: " + k.Default
		}
		out.WriteString(Wrap(kind, "  ", width))
		out.WriteString(Wrap(k.Description, "  ", width) + "\n")
		if i+1 < len(keys) && keys[i+1].Example == k.Example && keys[i+1].InService == k.InService {
			continue
		}
		for line := range strings.Lines(k.Example) {
			out.WriteString("    " + line)
		}
		out.WriteByte('\n')
	}
}
