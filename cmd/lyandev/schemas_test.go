package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
)

var updateSchemas = flag.Bool("update-schemas", false, "write the schemas of the output anew")

// TestOutputStaysCompatible: programs read the JSON of commands. The published schemas are in testdata/schemas; a key that disappears, may be
// missing or has another type fails, one that is added does not. -update-schemas publishes the present ones.
func TestOutputStaysCompatible(t *testing.T) {
	for name, now := range outputSchemas() {
		file := filepath.Join("testdata/schemas", strings.ReplaceAll(name, " ", "_")+".json")
		if *updateSchemas {
			if err := os.WriteFile(file, now, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		published, err := os.ReadFile(file)
		if err != nil {
			t.Errorf("%s has no published schema; go test ./cmd/lyandev -run %s -update-schemas writes it: %v", name, t.Name(), err)
			continue
		}
		broken, err := output.Broken(published, now)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, text := range broken {
			t.Errorf("%s -o json: %s; keep it, or say in the notes of the release that programs have to change", name, text)
		}
	}
	files, err := filepath.Glob("testdata/schemas/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name := strings.ReplaceAll(strings.TrimSuffix(filepath.Base(f), ".json"), "_", " ")
		if _, ok := outputTypes[name]; !ok {
			t.Errorf("%s: no command prints %q any more", f, name)
		}
	}
}
