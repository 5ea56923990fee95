package profiles

import (
	"strings"
	"testing"
)

// TestVersion: absent is 1, 1 is accepted, a newer one is refused before anything else is said, and in an included file too.
func TestVersion(t *testing.T) {
	const service = "\nservices: {web: {image: x}}\n"
	for _, good := range []string{"", "x-lyandev: {}", "x-lyandev: {version: 1}"} {
		if _, err := Load(t.Context(), Options{WorkDir: write(t, map[string]string{"compose.yaml": good + service})}); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for name, files := range map[string]map[string]string{
		"newer":    {"compose.yaml": "x-lyandev: {version: 2, teleport: true}" + service},
		"included": {"compose.yaml": "include: [other.yaml]" + service, "other.yaml": "x-lyandev: {version: 2}\nservices: {db: {image: x}}\n"},
	} {
		_, err := Load(t.Context(), Options{WorkDir: write(t, files)})
		if err == nil || !strings.Contains(err.Error(), "version 2 of x-lyandev, this lyandev knows up to version 1; install a newer lyandev") ||
			strings.Contains(err.Error(), "teleport") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for bad, want := range map[string]string{
		"x-lyandev: {version: one}":                             "must be a whole number",
		"x-lyandev: {version: 0}":                               "version",
		"x-lyandev: {profiles: {a: {x-lyandev: {version: 1}}}}": "a profile cannot have version",
	} {
		_, err := Load(t.Context(), Options{WorkDir: write(t, map[string]string{"compose.yaml": bad + service})})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
