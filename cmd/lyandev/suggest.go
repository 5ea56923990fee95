package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lyandev/lyandev/profiles"
)

// unknownName is the error for a name that is not among the known ones; what is "service" or the like. It has exitUsage and
// suggests the nearest name, or lists the known ones.
func unknownName(what, name string, known []string) error {
	known = slices.Compact(slices.Sorted(slices.Values(known)))
	text := fmt.Sprintf("there is no %s %q", what, name)
	switch hint := nearest(name, known); {
	case hint != "":
		text += "; " + hint
	case len(known) > 0:
		text += fmt.Sprintf("; known: %s", strings.Join(known, ", "))
	}
	return withCode(exitUsage, fmt.Errorf("%s", text))
}

// nearest returns "did you mean X?" for the known word nearest to a misspelt one, "" if none is near.
func nearest(word string, known []string) string {
	if s := profiles.Nearest(word, known); s != "" {
		return "did you mean " + s + "?"
	}
	return ""
}

// sentence makes a hint the beginning of a text.
func sentence(hint string) string {
	if hint == "" {
		return ""
	}
	return hint + " "
}
