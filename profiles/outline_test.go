package profiles

import (
	"strings"
	"testing"
)

// TestOutline: the names in a file, also in one that is broken in some way.
func TestOutline(t *testing.T) {
	const good = `services:
  web: {image: x, x-lyandev: {kind: Deployment}}
  "db":
    image: y
    profiles: [tools]
x-lyandev:
  profiles:
    base: {base: true}
    big:
      services: {web: {deploy: {replicas: 3}}}
`
	for name, c := range map[string]struct{ file, services, profiles string }{
		"good":              {good, "web db", "big tools"},
		"wrong keys":        {good + "servces: 1\n", "web db", "big tools"},
		"unset variable":    {strings.Replace(good, "image: y", "image: ${X?must be set}", 1), "web db", "big tools"},
		"not YAML":          {good + "volumes: [\n", "web db", "base big"},
		"wrong indentation": {good + "  networks: {}\n b: 1\n", "web db", "base big"},
		"a half-typed key":  {strings.Replace(good, "    image: y", "    image: y\n    x-lyandev: {", 1), "web db", "base big"},
		"newer version":     {good + "  version: 2\n", "web db", "base big"},
		"empty":             {"", "", ""},
	} {
		got := ReadOutline(t.Context(), Options{WorkDir: write(t, map[string]string{"compose.yaml": c.file})})
		if s, p := strings.Join(got.Services, " "), strings.Join(got.Profiles, " "); s != c.services || p != c.profiles {
			t.Errorf("%s: services %q, profiles %q; want %q, %q", name, s, p, c.services, c.profiles)
		}
	}
	if got := ReadOutline(t.Context(), Options{Files: []string{"/nonexistent/compose.yaml"}}); len(got.Services) > 0 {
		t.Errorf("without a file: %v", got)
	}
}
