package profiles

import (
	"context"
	"os"
	"regexp"
	"slices"
	"strings"
)

// Outline is what a file names, as far as it can be read.
type Outline struct {
	// Services are the names of the services, of any profile. Profiles are those that can be chosen, of x-lyandev and of Compose.
	Services, Profiles []string
}

// ReadOutline reads the names in the files without loading a stack. Mistakes do not matter to it: of a file that is not valid YAML
// it takes what the indentation tells. Nothing is found if there is no file.
func ReadOutline(ctx context.Context, o Options) Outline {
	var out Outline
	l, err := open(ctx, o)
	if err != nil {
		return scanFiles(o)
	}
	for _, d := range slices.Concat(l.docs, l.related) {
		if services := d.root.get("services"); services.isMap() {
			out.Services = appendNew(out.Services, services.keys...)
		}
	}
	for _, name := range l.order {
		if l.choosable(name) {
			out.Profiles = append(out.Profiles, name)
		}
	}
	out.Profiles = appendNew(out.Profiles, l.composeProfiles()...)
	return out
}

func scanFiles(o Options) Outline {
	var out Outline
	o, _, err := o.resolve()
	if err != nil {
		return out
	}
	for _, file := range o.Files {
		if checkRegular(file) != nil {
			continue
		}
		content, err := os.ReadFile(file)
		if err != nil || len(content) > maxFileBytes {
			continue
		}
		out.Services = appendNew(out.Services, keysBelow(string(content), "services")...)
		out.Profiles = appendNew(out.Profiles, keysBelow(string(content), extensionKey, "profiles")...)
	}
	return out
}

var outlineKey = regexp.MustCompile(`^( *)["']?([a-zA-Z0-9._-]+)["']?\s*:`)

// keysBelow returns the keys below a path of keys in a text that may not be valid YAML, by their indentation.
func keysBelow(text string, path ...string) []string {
	type level struct {
		indent int
		key    string
	}
	var open []level
	var out []string
	for line := range strings.Lines(text) {
		m := outlineKey.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		indent := len(m[1])
		for len(open) > 0 && open[len(open)-1].indent >= indent {
			open = open[:len(open)-1]
		}
		if len(open) == len(path) && slices.EqualFunc(open, path, func(l level, key string) bool { return l.key == key }) {
			out = appendNew(out, m[2])
		}
		open = append(open, level{indent, m[2]})
	}
	return out
}
