package profiles

import "context"

// Info is one profile of a file.
type Info struct {
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	Extends     []string `json:"extends,omitempty"`
	// Default is true for the profile that is used if none is given.
	Default bool `json:"default,omitempty"`
}

// List returns the profiles of the files in their order: those of x-lyandev.profiles, then Compose's own profiles that no
// x-lyandev profile of the same name activates. Profiles that are only for others to extend are left out. It parses the files but does not
// validate them; syntax errors are Errors.
func List(ctx context.Context, o Options) ([]Info, error) {
	l, err := open(ctx, o)
	if err == nil {
		err = l.p.err()
	}
	if err != nil {
		return nil, err
	}
	defaultName := ""
	for _, d := range l.docs {
		if it := d.root.get(extensionKey, "defaultProfile"); it != nil {
			defaultName = it.str()
		}
	}
	var out []Info
	activated := map[string]bool{}
	for _, name := range l.order {
		pr := l.profiles[name]
		if !pr.base {
			out = append(out, Info{Name: name, Description: pr.description, Extends: pr.extends, Default: name == defaultName})
		}
		activated[name] = true
		for _, a := range pr.activate {
			activated[a] = true
		}
	}
	for _, name := range l.composeProfiles() {
		if !activated[name] {
			out = append(out, Info{Name: name})
		}
	}
	return out, nil
}
