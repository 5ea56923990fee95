package profiles

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
	"pgregory.net/rapid"
)

// sameProject checks that FindProject says of files what Load says, or that it cannot tell.
func sameProject(t interface {
	Helper()
	Errorf(format string, args ...any)
}, o Options,
) (told bool) {
	t.Helper()
	ctx := context.Background()
	p, told := FindProject(ctx, o)
	s, err := Load(ctx, o)
	if err == nil && told && (p.Name != s.Name || p.Dir != s.Dir) {
		t.Errorf("FindProject says %q in %s, Load %q in %s", p.Name, p.Dir, s.Name, s.Dir)
	}
	return told && err == nil
}

// TestFindProjectSaysWhatLoadSays for every file of the test data, with and without mistakes.
func TestFindProjectSaysWhatLoadSays(t *testing.T) {
	told, all := 0, 0
	everyFile(t, func(t *testing.T, o Options) {
		all++
		if sameProject(t, o) {
			told++
		}
	})
	if all < 150 || told < 100 {
		t.Errorf("FindProject told %d of %d", told, all)
	}
}

// everyFile runs a test with each file of the test data, by its name and as it is found in its directory.
func everyFile(t *testing.T, test func(t *testing.T, o Options)) {
	t.Helper()
	check := func(name string, o Options) {
		t.Run(name, func(t *testing.T) {
			o.Env = append(o.Env, "HOME="+os.TempDir())
			test(t, o)
		})
	}
	for _, pattern := range []string{"testdata/corpus/*.txtar", "testdata/version1/*.txtar", "../supervisor/compat/testdata/*.txtar"} {
		for _, path := range globbed(t, pattern) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			files := map[string]string{}
			for _, f := range archive.Files {
				files[f.Name] = string(f.Data)
			}
			dir := write(t, files)
			check(path, Options{WorkDir: dir, Files: []string{filepath.Join(dir, archive.Files[0].Name)}})
			check(path+" as found", Options{WorkDir: dir})
		}
	}
	for _, pattern := range []string{"testdata/plain/*.yaml", "../lyanna.dev.yaml"} {
		for _, path := range globbed(t, pattern) {
			check(path, Options{Files: []string{path}})
		}
	}
	for _, dir := range globbed(t, "testdata/mistakes/*") {
		check(dir, Options{WorkDir: dir})
	}
}

func globbed(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(paths), err)
	}
	return paths
}

func TestFindProject(t *testing.T) {
	const body = "services: {web: {image: w}}\n"
	for _, tc := range []struct {
		name string
		file string
		more map[string]string
		o    Options
		// want is the name, "" if FindProject cannot tell, "DIR" for the directory's name.
		want string
	}{
		{name: "no name", file: body, want: "DIR"},
		{name: "a name", file: "name: shop\n" + body, want: "shop"},
		{name: "a name to convert", file: "name: My Shop!\n" + body, want: "myshop"},
		{name: "a number", file: "name: 42\n" + body},
		{name: "an empty name", file: "name: ''\n" + body, want: "DIR"},
		{name: "a name of no use", file: "name: '!!'\n" + body, want: "DIR"},
		{name: "a variable", file: "name: ${APP:-a}-$STAGE\n" + body, o: Options{Env: []string{"STAGE=dev"}}, want: "a-dev"},
		{name: "a variable of .env", file: "name: $APP\n" + body, more: map[string]string{".env": "APP=fromenv\n"}, want: "fromenv"},
		{name: "a variable that is required", file: "name: ${APP:?say it}\n" + body},
		{name: "a variable that is none", file: "name: ${APP\n" + body},
		{name: "an anchor", file: "x-n: &n shop\nname: *n\n" + body, want: "shop"},
		{name: "a merge", file: "x-n: &n {name: shop}\n<<: *n\n" + body, want: "shop"},
		{name: "a second document", file: "name: a\n" + body + "---\nname: b\n", want: "b"},
		{name: "a second document without a name", file: "name: a\n" + body + "---\nservices: {db: {image: d}}\n", want: "a"},
		{name: "the variable", file: "name: shop\n" + body, o: Options{Env: []string{"COMPOSE_PROJECT_NAME=other"}}, want: "other"},
		{name: "the variable in .env", file: "name: shop\n" + body, more: map[string]string{".env": "COMPOSE_PROJECT_NAME=other\n"}, want: "other"},
		{name: "a variable of no use", file: body, o: Options{Env: []string{"COMPOSE_PROJECT_NAME=No!"}}},
		{name: "-p", file: "name: shop\n" + body, o: Options{ProjectName: "given", Env: []string{"COMPOSE_PROJECT_NAME=other"}}, want: "given"},
		{name: "an included name", file: "include: [other.yaml]\n" + body, more: map[string]string{"other.yaml": "name: other\nservices: {db: {image: d}}\n"}, want: "DIR"},
		{name: "mistakes elsewhere", file: "name: shop\nservices: {web: {imagee: w}}\n", want: "shop"},
		{name: "a list", file: "name: [shop]\n" + body},
		{name: "no YAML", file: "name: shop\nservices: {web: [\n"},
		{name: "nothing", file: ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			files := map[string]string{"compose.yaml": tc.file}
			for k, v := range tc.more {
				files[k] = v
			}
			dir := write(t, files)
			tc.o.WorkDir = dir
			sameProject(t, tc.o)
			want := tc.want
			if want == "DIR" {
				want = filepath.Base(dir)
			}
			p, ok := FindProject(t.Context(), tc.o)
			if ok != (want != "") || p.Name != want {
				t.Errorf("got %q, %v, want %q", p.Name, ok, want)
			}
		})
	}
}

// TestFindProjectOfAnyName: whatever the text of the name is.
func TestFindProjectOfAnyName(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(r *rapid.T) {
		name := rapid.StringMatching(`[a-zA-Z0-9_. ${}:?'"!\-]{0,20}`).Draw(r, "name")
		quoted := "'" + strings.ReplaceAll(name, "'", "''") + "'"
		text := "name: " + quoted + "\nservices: {web: {image: w}}\n"
		o := Options{Files: []string{"-"}, Stdin: func() ([]byte, error) { return []byte(text), nil }, WorkDir: dir, Env: []string{"A=b"}}
		sameProject(r, o)
	})
}
