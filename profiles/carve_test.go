package profiles

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lyandev/lyandev/services"
)

// loaded is what came of a load, as a text.
func loaded(t *testing.T, s *services.Stack, err error) string {
	t.Helper()
	if err != nil {
		return err.Error()
	}
	b, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// sameWhole checks that a load whose x-lyandev is kept from compose-go gives what one with the whole files gives.
func sameWhole(t *testing.T, o Options) {
	t.Helper()
	s, err := Load(t.Context(), o)
	o.whole = true
	whole, wholeErr := Load(t.Context(), o)
	if d := cmp.Diff(loaded(t, whole, wholeErr), loaded(t, s, err)); d != "" {
		t.Errorf("(-whole +carved)\n%s", d)
	}
}

// TestCarvingChangesNothing for every file of the test data, with each of its profiles.
func TestCarvingChangesNothing(t *testing.T) {
	everyFile(t, func(t *testing.T, o Options) {
		sameWhole(t, o)
		for _, name := range ReadOutline(t.Context(), o).Profiles {
			o.Profiles = []string{name}
			sameWhole(t, o)
		}
	})
}

// TestCarvingIsNotMerging: what is merged, extended or tagged comes out as compose-go merges it.
func TestCarvingIsNotMerging(t *testing.T) {
	const (
		top    = "x-lyandev: {configMaps: {app: {data: {A: a}}}, defaultProfile: p, profiles: {p: {PROFILE}}}\n"
		web    = "services:\n  web:\n    image: w\n    x-lyandev: {kind: Deployment, env: [{name: A, value: $X}]}\n"
		second = "services:\n  web:\n    "
	)
	for name, files := range map[string][2]string{
		"one file":                    {top + web, ""},
		"a profile's top":             {strings.Replace(top, "{PROFILE}", "{x-lyandev: {configMaps: {app: {data: {B: b}}}}}", 1) + web, ""},
		"a profile's service":         {strings.Replace(top, "{PROFILE}", "{services: {web: {x-lyandev: {minReadySeconds: 5}}}}", 1) + web, ""},
		"a profile's other key":       {strings.Replace(top, "{PROFILE}", "{services: {web: {command: [x]}}}", 1) + web, ""},
		"a second file":               {top + web, second + "x-lyandev: {minReadySeconds: 5}\n"},
		"a second file's other key":   {top + web, second + "command: [x]\n"},
		"a second file that resets":   {top + web, second + "x-lyandev: !reset null\n"},
		"a second file that replaces": {top + web, second + "x-lyandev: !override {kind: StatefulSet}\n"},
		"a service that is replaced":  {top + web, "services:\n  web: !override {image: x}\n"},
		"a service that is removed":   {top + web + "  db: {image: d}\n", "services:\n  web: !reset null\n"},
		"a service that extends":      {top + web + "  db: {extends: web}\n", ""},
		"an included file":            {top + web + "include: [second.yaml]\n", "services: {db: {image: d, x-lyandev: {kind: StatefulSet}}}\n"},
		"a merge key":                 {"x-base: &base {image: b, x-lyandev: {kind: StatefulSet}}\nservices:\n  web:\n    <<: *base\n    command: [x]\n", ""},
		"an alias":                    {"x-ext: &ext {kind: StatefulSet}\nservices:\n  web: {image: a, x-lyandev: *ext}\n  db: {image: b, x-lyandev: *ext}\n", ""},
		"a mistake":                   {top + web + "    imagee: x\n", ""},
		"nothing in it":               {"services: {web: {image: w, x-lyandev: {}}, db: {image: d, x-lyandev: }}\n", ""},
		"values of all kinds": {
			"x-lyandev: {configMaps: {app: {data: {A: '1', B: 'yes', C: '$$X', D: \"${X:-d}\"}}}}\nservices:\n  web:\n    image: w\n" +
				"    x-lyandev: {kind: Deployment, minReadySeconds: 0x10, localhost: {80: 'db:80'}, podLabels: {a: b}}\n  db: {image: d, ports: ['80']}\n", "",
		},
		"a profile of Compose": {"services:\n  web: {image: w}\n  db: {image: d, profiles: [x], x-lyandev: {kind: StatefulSet}}\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			files[0] = strings.Replace(files[0], "{PROFILE}", "{}", 1)
			all := map[string]string{"compose.yaml": files[0]}
			o := Options{Env: []string{"X=x"}, EveryProfile: true}
			if files[1] != "" {
				all["second.yaml"] = files[1]
			}
			dir := write(t, all)
			o.Files = []string{dir + "/compose.yaml"}
			if files[1] != "" && !strings.Contains(files[0], "include:") {
				o.Files = append(o.Files, dir+"/second.yaml")
			}
			sameWhole(t, o)
		})
	}
}
