package reaper

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// Filter is the set of labels that an object must carry to be removed. The value "" matches any value.
type Filter map[string]string

// ParseFilter parses one line of the protocol: URL-encoded `label=NAME=VALUE` joined by "&". A line without a label is an error,
// because it would match everything; so is another kind of filter, because without it the line would match too much.
func ParseFilter(line string) (Filter, error) {
	args, err := url.ParseQuery(strings.TrimSpace(line))
	if err != nil {
		return nil, fmt.Errorf("cannot read the filter %q: %w", line, err)
	}
	f := Filter{}
	for kind, list := range args {
		if kind != "label" {
			return nil, fmt.Errorf("cannot use the filter %q: only labels are supported, not %q", line, kind)
		}
		for _, l := range list {
			name, value, _ := strings.Cut(l, "=")
			if name == "" {
				return nil, fmt.Errorf("cannot use the filter %q: a label has no name", line)
			}
			if old, twice := f[name]; twice && old != value {
				return nil, fmt.Errorf("cannot use the filter %q: label %s cannot have two values", line, name)
			}
			f[name] = value
		}
	}
	if len(f) == 0 {
		return nil, errors.New("cannot use an empty filter: it would match everything")
	}
	return f, nil
}

// String is the filter as a line of the protocol, labels in order.
func (f Filter) String() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(f)) {
		label := name
		if f[name] != "" {
			label += "=" + f[name]
		}
		parts = append(parts, "label="+url.QueryEscape(label))
	}
	return strings.Join(parts, "&")
}
