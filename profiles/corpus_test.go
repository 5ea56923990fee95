package profiles

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// TestCorpus loads files in the manner of public repositories, as they are found in a directory. The head of each archive says
// what must be seen: "sees:" the services, "has:" a text in the stack (or one of several, after "|"), "hasnot:" a text that is not
// in it; "env:" a variable and "profiles:" the profiles to load it with.
func TestCorpus(t *testing.T) {
	archives, err := filepath.Glob("testdata/corpus/*.txtar")
	if err != nil || len(archives) < 40 {
		t.Fatalf("%d archives: %v", len(archives), err)
	}
	for _, path := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			files := map[string]string{}
			for _, f := range archive.Files {
				files[f.Name] = string(f.Data)
			}
			o := Options{WorkDir: write(t, files)}
			if first := archive.Files[0].Name; !slices.Contains([]string{"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"}, first) {
				o.Files = []string{filepath.Join(o.WorkDir, first)}
			}
			checkCorpus(t, o, strings.Split(strings.TrimSpace(string(archive.Comment)), "\n"))
		})
	}
}

func checkCorpus(t *testing.T, o Options, head []string) {
	t.Helper()
	each := func(word string) (out []string) {
		for _, line := range head {
			if v, ok := strings.CutPrefix(line, word+": "); ok {
				out = append(out, v)
			}
		}
		return out
	}
	o.Env, o.Profiles = append(each("env"), "HOME="+os.TempDir()), each("profiles")
	s, err := Load(t.Context(), o)
	if err != nil {
		t.Fatalf("cannot load:\n%v", err)
	}
	var names []string
	for _, w := range s.Workloads {
		names = append(names, w.DisplayName())
	}
	slices.Sort(names)
	if got := strings.Join(names, " "); got != each("sees")[0] {
		t.Errorf("sees %s, want %s", got, each("sees")[0])
	}
	described := *s
	described.Inactive = nil // their names are all that a stack has of services that it does not run
	raw, err := json.Marshal(&described)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer(`\"`, `"`, `\u003e`, ">", `\u0026`, "&").Replace(string(raw))
	for _, want := range each("has") {
		if !slices.ContainsFunc(strings.Split(want, "|"), func(w string) bool { return strings.Contains(text, w) }) {
			t.Errorf("the stack has no %s:\n%s", want, text)
		}
	}
	for _, not := range each("hasnot") {
		if strings.Contains(text, not) {
			t.Errorf("the stack has %s", not)
		}
	}
}
