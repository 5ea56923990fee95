package profiles

import (
	"fmt"
	"slices"
	"strings"
)

// extended reports a service that extends one that no file declares: compose-go would end there, and hide all other mistakes.
func (c checker) extended(service *item, path keyPath) {
	ext := service.get("extends")
	if ext == nil || ext.get("file") != nil {
		return
	}
	base, at := ext, path.with("extends")
	if s := ext.get("service"); s != nil {
		base, at = s, at.with("service")
	}
	name := base.str()
	if name == "" || strings.Contains(name, "$") {
		return
	}
	if names, known := c.declares(name); !known {
		names = slices.DeleteFunc(names, func(n string) bool { return n == path[len(path)-1] })
		c.l.p.say(damage{pos: base.pos, path: path.with("extends")}, Error{
			Path: at.String(), Message: fmt.Sprintf("there is no service %q to extend", name), Hint: didYouMean(name, names),
		})
	}
}

// mountOptions are the options of a volume's short form, SOURCE:TARGET:OPTIONS.
var mountOptions = []string{
	"ro", "rw", "z", "Z", "nocopy", "copy", "volume-nocopy", "consistent", "cached", "delegated",
	"private", "rprivate", "shared", "rshared", "slave", "rslave", "nosuid", "noexec", "nodev",
}

// mounts reports volumes in the short form that Docker would refuse when it makes the container, and options that Compose ignores without a
// word.
func (c checker) mounts(service *item, path keyPath) {
	list := service.get("volumes")
	if list == nil {
		return
	}
	for i, it := range list.list {
		text, ok := it.value.(string)
		if !ok || strings.Contains(text, "$") {
			continue
		}
		at := path.with("volumes", index(list.original(i)))
		source, target, options, ok := splitMount(text)
		switch {
		case !ok:
			c.l.p.at(it.pos, at, "write SOURCE:TARGET:OPTIONS, with options separated by commas", "too many colons in %q", text)
			continue
		case !absoluteTarget(target):
			c.l.p.at(it.pos, at, "write "+strings.Replace(text, source+target, source+"/"+target, 1), "%q is no absolute path in the container", target)
			continue
		}
		for _, o := range options {
			if !slices.Contains(mountOptions, o) {
				text := c.l.noteAt(it.pos, at, "the option %q of a volume is unknown and ignored; known: ro, rw, z, Z, nocopy, cached, delegated", o)
				c.l.warnings = appendNew(c.l.warnings, text)
			}
		}
	}
}

// splitMount splits a volume's short form. source is "" or ends with its colon. A drive of Windows is no source.
func splitMount(text string) (source, target string, options []string, ok bool) {
	parts := strings.Split(text, ":")
	for i := 0; i+1 < len(parts); i++ {
		if len(parts[i]) == 1 && strings.HasPrefix(parts[i+1], `\`) {
			parts = slices.Replace(parts, i, i+2, parts[i]+":"+parts[i+1])
		}
	}
	switch len(parts) {
	case 1:
		return "", parts[0], nil, true
	case 2:
		return parts[0] + ":", parts[1], nil, true
	case 3:
		return parts[0] + ":", parts[1], strings.Split(parts[2], ","), true
	}
	return "", "", nil, false
}

func absoluteTarget(path string) bool {
	return strings.HasPrefix(path, "/") || strings.HasPrefix(path, `\`) || len(path) > 1 && path[1] == ':'
}
