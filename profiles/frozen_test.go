package profiles

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

var freeze = flag.Bool("freeze", false, "add the examples of the reference that testdata/version1 lacks")

// TestVersion1IsFrozen keeps the promise of `lyandev help x-lyandev`: files of version 1 go on giving the same stack. Each archive
// in testdata/version1 has a file and the stacks that it gave when it was added, one for each profile. A stack may get more than it
// had then, where nothing was; it must not lose anything or have another value.
//
// A failure means that the meaning of a file has changed: do not change the archive, but the code, or make the change a part of
// version 2. For a new key, add an example to schema/examples.txt and run `go test ./profiles -run Version1 -freeze`, which adds
// archives and leaves those that are there alone.
func TestVersion1IsFrozen(t *testing.T) {
	keys, err := Reference()
	if err != nil {
		t.Fatal(err)
	}
	if *freeze {
		addFrozen(t, keys)
	}
	paths, err := filepath.Glob("testdata/version1/*.txtar")
	if err != nil || len(paths) < 40 {
		t.Fatalf("%d archives: %v", len(paths), err)
	}
	var roots []*item
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		file := string(archive.Files[0].Data)
		var p problems
		roots = append(roots, parse(path, path, []byte(file), &p)[0].root)
		for _, frozen := range archive.Files[1:] {
			name := strings.TrimSuffix(strings.TrimPrefix(frozen.Name, "stack "), ".json")
			var want, got any
			if err := json.Unmarshal(frozen.Data, &want); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(frozenStack(t, file, name), &got); err != nil {
				t.Fatal(err)
			}
			for _, change := range lost("", want, got) {
				t.Errorf("%s, profile %q: %s", path, name, change)
			}
		}
	}
	for _, k := range keys {
		has := false
		for _, root := range roots {
			has = has || hasKey(root, k)
		}
		if !has {
			t.Errorf("no archive has the key %s: run go test ./profiles -run Version1 -freeze", k.Path)
		}
	}
}

// lost returns what is in one JSON value and is not the same in another, newer one.
func lost(path string, was, is any) []string {
	var out []string
	switch was := was.(type) {
	case map[string]any:
		now, ok := is.(map[string]any)
		if !ok {
			break
		}
		for key, v := range was {
			if n, ok := now[key]; ok {
				out = append(out, lost(path+"."+key, v, n)...)
			} else {
				out = append(out, fmt.Sprintf("%s.%s was %v and is gone", path, key, v))
			}
		}
		return out
	case []any:
		now, ok := is.([]any)
		if !ok || len(now) != len(was) {
			break
		}
		for i, v := range was {
			out = append(out, lost(fmt.Sprintf("%s[%d]", path, i), v, now[i])...)
		}
		return out
	}
	if fmt.Sprint(was) != fmt.Sprint(is) {
		out = append(out, fmt.Sprintf("%s was %v and is %v", path, was, is))
	}
	return out
}

// frozenStack loads a file for a profile ("" is the default) and returns its stack as JSON, without the directory of the test.
func frozenStack(t *testing.T, file, profile string) []byte {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "shop")
	for name, content := range map[string]string{"compose.yaml": file, "nginx.conf": "events {}\n", "pages/index.html": "hello\n"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Load(t.Context(), Options{WorkDir: dir, Profiles: []string{profile}, Env: []string{"HOME=/root", "PATH=/bin"}})
	if err != nil {
		t.Fatalf("a file of version 1 is refused, profile %q: %v\n%s", profile, err, file)
	}
	raw, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return []byte(strings.ReplaceAll(string(raw), dir, "/shop") + "\n")
}

// addFrozen makes archives of the examples whose keys no archive has.
func addFrozen(t *testing.T, keys []Key) {
	t.Helper()
	if err := os.MkdirAll("testdata/version1", 0o755); err != nil {
		t.Fatal(err)
	}
	done := map[string]bool{}
	for _, k := range keys {
		where := map[bool]string{true: "service", false: "top"}[k.InService]
		path := filepath.Join("testdata/version1", where+"-"+strings.NewReplacer(".", "-", "[]", "").Replace(k.Path)+".txtar")
		if _, err := os.Stat(path); err == nil || done[k.Example] {
			done[k.Example] = true
			continue
		}
		done[k.Example] = true
		archive := &txtar.Archive{Files: []txtar.File{{Name: "compose.yaml", Data: []byte(k.Example)}, {Name: "stack .json", Data: frozenStack(t, k.Example, "")}}}
		var p problems
		root := parse("compose.yaml", "compose.yaml", []byte(k.Example), &p)[0].root
		if declared := root.get(extensionKey, "profiles"); declared.isMap() {
			for _, name := range declared.keys {
				if declared.get(name, "base") == nil {
					archive.Files = append(archive.Files, txtar.File{Name: "stack " + name + ".json", Data: frozenStack(t, k.Example, name)})
				}
			}
		}
		if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLost: more is accepted, less and other is not.
func TestLost(t *testing.T) {
	for now, changes := range map[string]int{
		`{"a": [1, {"b": "x"}]}`:                   0,
		`{"a": [1, {"b": "x", "new": 1}], "c": 2}`: 0,
		`{"a": [1, {"b": "y"}]}`:                   1,
		`{"a": [1, {"new": 1}]}`:                   1,
		`{"a": [1]}`:                               1,
		`{"a": {}}`:                                1,
		`{}`:                                       1,
	} {
		var was, is any
		if err := json.Unmarshal([]byte(`{"a": [1, {"b": "x"}]}`), &was); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(now), &is); err != nil {
			t.Fatal(err)
		}
		if got := lost("", was, is); len(got) != changes {
			t.Errorf("%s: %v", now, got)
		}
	}
}
