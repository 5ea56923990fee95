package profiles

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const layered = `
x-lyandev:
  semantics: kubernetes
  timing: strict
  defaultProfile: small
  profiles:
    small:
      description: as little as possible
    big:
      description: everything
      extends: small
      activate: [extra, other]
      services:
        a:
          image: y
          deploy: {replicas: 3}
          environment: {B: "2"}
          command: !override [new]
          expose: !reset []
          x-lyandev: {env: [{name: C, value: "3"}]}
      configs: {c: {content: big}}
      x-lyandev:
        timing: fast
        configMaps: {m: {data: {k: "2"}}}
    huge:
      extends: [big]
      services: {a: {deploy: {replicas: 9}}}
    needy:
      services: {a: {image: "${NEEDED:?by needy}", deploy: {replicas: "${N}"}}}
  configMaps: {m: {data: {k: "1", l: "1"}}}
services:
  a:
    image: x
    command: [old]
    environment: {A: "1"}
    expose: ["80"]
    configs: [c]
    x-lyandev: {env: [{name: D, value: "4"}]}
  b: {image: x, profiles: [extra]}
  c: {image: x, profiles: [debug]}
configs: {c: {content: small}}
`

func TestProfiles(t *testing.T) {
	small := mustLoad(t, layered, Options{})
	if small.Profile != "small" || small.Timing != "strict" || small.Workload("b") != nil {
		t.Errorf("small: %s %s %d", small.Profile, small.Timing, len(small.Workloads))
	}
	big := mustLoad(t, layered, Options{Profiles: []string{"big"}})
	wantJSON(t, big, `{"profile":"big","timing":"fast","configMaps":[{"data":{"k":"2","l":"1"}},{"data":{"c":"big"}}]}`)
	wantPod(t, big, `{"containers":[{"image":"y","args":["new"],"ports":null,
		"env":[{"name":"A","value":"1"},{"name":"B","value":"2"},{"name":"D","value":"4"},{"name":"C","value":"3"}]}]}`)
	if big.Workload("a").Replicas() != 3 || big.Workload("b") == nil || big.Workload("c") != nil {
		t.Error("big has three of a, and b, and no c")
	}
	huge := mustLoad(t, layered, Options{Profiles: []string{"huge"}})
	if huge.Workload("a").Replicas() != 9 || huge.Workload("b") == nil || huge.Profile != "huge" {
		t.Error("huge builds on big")
	}
	if s := mustLoad(t, layered, Options{Profiles: []string{"debug"}}); s.Workload("c") == nil {
		t.Error("a profile of Compose's can be asked for")
	}
}

func TestProfileVariables(t *testing.T) {
	_, err := loadText(t, layered, Options{Profiles: []string{"needy"}}, nil)
	lines := errorLines(t, err)
	contains(t, lines, "compose.yaml:29: x-lyandev.profiles.needy.services.a.image: variable NEEDED is required: by needy")
	contains(t, lines, `compose.yaml:29: x-lyandev.profiles.needy.services.a.deploy.replicas: "" cannot be used here: it is not a number`)
	s := mustLoad(t, layered, Options{Profiles: []string{"needy"}, Env: []string{"NEEDED=i", "N=4"}})
	if s.Workload("a").Replicas() != 4 {
		t.Error("a number from a variable")
	}
}

func TestMergeKeysInProfiles(t *testing.T) {
	s := mustLoad(t, `
x-shared: &shared
  services: {a: {environment: {FROM: shared}, expose: !reset []}}
x-more: &more
  profiles: {p: {<<: *shared, description: by merge key}}
x-lyandev: {<<: *more, timing: strict, semantics: kubernetes}
services: {a: {image: x, expose: ['80']}}
`, Options{Profiles: []string{"p"}})
	wantPod(t, s, `{"containers":[{"ports":null,"env":[{"name":"FROM","value":"shared"}]}]}`)
	if s.Timing != "strict" {
		t.Error("what stands beside a merge key counts too")
	}
}

func TestEnvFiles(t *testing.T) {
	text := `x-lyandev: {semantics: kubernetes}
services:
  a:
    image: x
    env_file: [e, {path: none, required: false}]
    environment: {B: mine}
`
	s, err := loadText(t, text, Options{}, map[string]string{"e": "A=file\nB=file\n"})
	if err != nil {
		t.Fatal(err)
	}
	wantPod(t, s, `{"containers":[{"env":[{"name":"A","value":"file"},{"name":"B","value":"mine"}]}]}`)
	_, err = loadText(t, text, Options{}, nil)
	contains(t, errorLines(t, err), "compose.yaml:5: services.a.env_file[0]: there is no file")
}

func TestComposeProfilesFromEnvironment(t *testing.T) {
	s := mustLoad(t, "services:\n  a: {image: x}\n  b: {image: x, profiles: [p]}\n", Options{Env: []string{"COMPOSE_PROFILES=q, p"}})
	if s.Workload("b") == nil || s.Profile != "" {
		t.Error("COMPOSE_PROFILES activates")
	}
}

func TestList(t *testing.T) {
	dir := write(t, map[string]string{"compose.yaml": layered})
	got, err := List(context.Background(), Options{WorkDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	want := []Info{
		{Name: "small", Description: "as little as possible", Default: true},
		{Name: "big", Description: "everything", Extends: []string{"small"}},
		{Name: "huge", Extends: []string{"big"}},
		{Name: "needy"},
		{Name: "debug"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestSeveralFiles(t *testing.T) {
	dir := write(t, map[string]string{
		"one.yaml":  "services:\n  a: {image: x, environment: {A: '1'}}\n",
		"two.yaml":  "services:\n  a:\n    environment: {B: '2'}\n    bogus: 1\n---\nservices:\n  b: {image: z}\n",
		"ok.yaml":   "services:\n  a:\n    environment: {B: $V}\n    depends_on: {b: {condition: service_healthy}}\n---\nservices:\n  b: {image: z, extends: {file: base.yaml, service: base}}\n",
		"base.yaml": "services:\n  base: {image: q, environment: {FROM: base}}\n",
		"vars":      "V=from file\nW=$V",
	})
	_, err := Load(t.Context(), Options{Files: []string{filepath.Join(dir, "one.yaml"), filepath.Join(dir, "two.yaml")}})
	if got := errorLines(t, err); len(got) != 1 || !strings.HasPrefix(got[0], "two.yaml:4: services.a.bogus: unknown key") {
		t.Errorf("%q", got)
	}
	s, err := Load(t.Context(), Options{
		Files:    []string{filepath.Join(dir, "one.yaml"), filepath.Join(dir, "ok.yaml")},
		EnvFiles: []string{filepath.Join(dir, "vars")}, ProjectName: "named",
	})
	if err != nil {
		t.Fatal(err)
	}
	wantJSON(t, s, `{"name":"named","workloads":[{"dependsOn":[{"workload":"b","condition":"service_healthy"}]},{}]}`)
	wantPod(t, s, `{"containers":[{"env":[{"name":"A","value":"1"},{"name":"B","value":"from file"}]}]}`)
	wantJSON(t, s.Workload("b").PodSpec(), `{"containers":[{"image":"z","env":[{"name":"FROM","value":"base"}]}]}`)
}

func TestProjectName(t *testing.T) {
	file := "services: {a: {image: x}}"
	cases := []struct {
		text string
		o    Options
		want string
	}{
		{"name: in-file\n" + file, Options{}, "in-file"},
		{"name: in-file\n" + file, Options{Env: []string{"COMPOSE_PROJECT_NAME=in-env"}}, "in-env"},
		{"name: in-file\n" + file, Options{Env: []string{"COMPOSE_PROJECT_NAME=in-env"}, ProjectName: "asked"}, "asked"},
		{"name: ${N:-dflt}\n" + file, Options{}, "dflt"},
		{"name: My Own_Project-\n" + file, Options{}, "myown_project-"},
		{"name: " + strings.Repeat("a", 100) + "\n" + file, Options{}, strings.Repeat("a", 100)},
	}
	for _, c := range cases {
		if s := mustLoad(t, c.text, c.o); s.Name != c.want {
			t.Errorf("%s, want %s", s.Name, c.want)
		}
	}
	if _, err := loadText(t, file, Options{ProjectName: "Not A Label"}, nil); err == nil || !strings.Contains(err.Error(), "is not a valid project name") {
		t.Errorf("got %v", err)
	}
	dir := write(t, map[string]string{"My_App.v2/compose.yaml": file})
	s, err := Load(t.Context(), Options{WorkDir: filepath.Join(dir, "My_App.v2")})
	if err != nil || s.Name != "my_appv2" {
		t.Errorf("%v %v", s, err)
	}
}

func TestFind(t *testing.T) {
	dir := write(t, map[string]string{
		"compose.yaml": "", "one/x.dev.yaml": "", "one/compose.yaml": "", "two/a.dev.yaml": "", "two/b.dev.yaml": "",
		"three/lyanna.dev.yaml": "", "three/lyandev.yaml": "", "three/deep/er/f": "", "four/lyandev.yaml": "", "four/x.dev.yaml": "",
		"five/f": "", "six/docker-compose.yml": "", "six/a.dev.yaml": "", "six/b.dev.yaml": "",
	})
	for in, want := range map[string]string{
		"one": "one/x.dev.yaml", "three": "three/lyanna.dev.yaml", "three/deep/er": "three/lyanna.dev.yaml",
		"four": "four/lyandev.yaml", "five": "compose.yaml", "six": "six/docker-compose.yml",
	} {
		got, err := Find(filepath.Join(dir, in))
		if err != nil || got != filepath.Join(dir, want) {
			t.Errorf("%s: %s %v", in, got, err)
		}
	}
	var none *NoFileError
	if _, err := Find(filepath.Join(dir, "two")); !errors.As(err, &none) || len(none.Several) != 2 {
		t.Errorf("two: %v", err)
	}
	if _, err := Find(filepath.Join(os.TempDir(), "none")); err != nil && !errors.As(err, &none) {
		t.Errorf("none: %v", err)
	}
}

func TestInfer(t *testing.T) {
	s := mustLoad(t, `
x-lyandev:
  semantics: kubernetes
  order: inferred
  configMaps: {m: {data: {url: "mysql://cache:pw@db:3306/x"}}}
services:
  web:
    image: x
    environment: {CACHE: "cache:11211", NOT: "webcache.example/db"}
    x-lyandev: {env: [{name: URL, valueFrom: {configMapKeyRef: {name: m, key: url}}}]}
  db: {image: x, command: [--peer, web]}
  cache: {image: x}
  alone: {image: x, environment: {X: "database my-db db-2"}}
`, Options{})
	var got []string
	for _, w := range s.Workloads {
		for _, d := range w.DependsOn {
			got = append(got, fmt.Sprintf("%s -> %s (%s)", w.Name(), d.Workload, d.Reason))
		}
	}
	want := []string{"web -> db (env URL names Service db)", "web -> cache (env CACHE names Service cache)"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestDiff(t *testing.T) {
	base := "x-lyandev: {semantics: kubernetes}\nservices:\n  a: {image: x, environment: {PASSWORD: one}}\n  b: {image: y, ports: ['80:80']}\n"
	cases := []struct{ name, to, want string }{
		{"nothing", base, ""},
		{"image", strings.Replace(base, "image: x", "image: z", 1), "replace  Deployment/a: containers.a.image x -> z\n"},
		{"secret values stay out", strings.Replace(base, "one", "two", 1), "replace  Deployment/a: containers.a.env.PASSWORD.value changed\n"},
		{"scale", strings.Replace(base, "image: y", "image: y, scale: 3", 1), "scale    Deployment/b: replicas 1 -> 3\n"},
		{"kind", strings.Replace(base, "image: x", "image: x, x-lyandev: {kind: StatefulSet}", 1), "stop     Deployment/a: it becomes a StatefulSet\nstart    StatefulSet/a: it was a Deployment\n"},
		{"strategy", strings.Replace(base, "image: x", "image: x, x-lyandev: {spec: {minReadySeconds: 5}}", 1), "update   Deployment/a: object.spec.minReadySeconds added\n"},
		{"port", strings.Replace(base, "80:80", "81:80", 1), "start    HostPort/127.0.0.1:81: to b:80\nstop     HostPort/127.0.0.1:80: to b:80\n"},
		{"gone", "x-lyandev: {semantics: kubernetes}\nservices:\n  a: {image: x, environment: {PASSWORD: one}}\n", "stop     Deployment/b: no longer in the file\nstop     Service/b: no longer in the file\nstop     HostPort/127.0.0.1:80: to b:80\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var b strings.Builder
			for _, ch := range Diff(mustLoad(t, base, Options{}), mustLoad(t, c.to, Options{})) {
				fmt.Fprintln(&b, ch)
			}
			if d := cmp.Diff(c.want, b.String()); d != "" {
				t.Error(d)
			}
		})
	}
	if n := len(Diff(nil, mustLoad(t, base, Options{}))); n != 5 {
		t.Errorf("%d changes from nothing", n)
	}
}

func TestSuggest(t *testing.T) {
	known := []string{"image", "environment", "command", "ports"}
	for in, want := range map[string]string{"imgae": "image", "enviroment": "environment", "Ports": "ports", "zzzzzz": ""} {
		if got := Nearest(in, known); got != want {
			t.Errorf("%s: %q", in, got)
		}
	}
}
