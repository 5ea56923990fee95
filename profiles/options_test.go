package profiles

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// images are the images of the stack's workloads, in its order.
func images(t *testing.T, o Options) []string {
	t.Helper()
	s, err := Load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, w := range s.Workloads {
		out = append(out, w.PodSpec().Containers[0].Image)
	}
	return out
}

// TestFilesAsComposeFindsThem: which files and variables are used, by Docker Compose's rules.
func TestFilesAsComposeFindsThem(t *testing.T) {
	one := func(image string) string { return "services: {a: {image: '" + image + "'}}\n" }
	dir := write(t, map[string]string{
		"plain/compose.yaml": one("base"), "plain/compose.override.yaml": one("override"), "plain/sub/deep/f": "",
		"old/docker-compose.yml": one("old"), "old/docker-compose.override.yml": one("old-override"),
		"old/docker-compose.yaml": one("not this"),
		"own/lyandev.yaml":        one("own"), "own/compose.override.yaml": one("not this"), "own/.env": "COMPOSE_FILE=other.yaml\n",
		"named/a.yaml": one("a"), "named/b.yaml": "services: {b: {image: b}}\n", "named/compose.yaml": one("not this"),
		"env/compose.yaml": one("${TAG}-${MORE:-none}"), "env/.env": "TAG=dotenv\n", "env/sub/.env": "MORE=sub\n",
		"env/x.env": "TAG=x\n", "env/y.env": "TAG=y\nMORE=y\n",
		"dir/compose.yaml": "services: {a: {image: x, env_file: v.env}}\n", "dir/elsewhere/v.env": "A=1\n",
	})
	at := func(p ...string) string { return filepath.Join(append([]string{dir}, p...)...) }
	cases := []struct {
		name, cwd string
		o         Options
		want      []string
	}{
		{"override", "plain", Options{}, []string{"override"}},
		{"from a subdirectory", "plain/sub/deep", Options{}, []string{"override"}},
		{"no override for named files", "plain", Options{Files: []string{"compose.yaml"}}, []string{"base"}},
		{"docker-compose.yml before .yaml", "old", Options{}, []string{"old-override"}},
		{"lyandev.yaml before COMPOSE_FILE", "own", Options{}, []string{"own"}},
		{"COMPOSE_FILE", "named", Options{Env: []string{"COMPOSE_FILE=a.yaml" + string(os.PathListSeparator) + "b.yaml"}}, []string{"a", "b"}},
		{"separator", "named", Options{Env: []string{"COMPOSE_FILE=a.yaml;b.yaml", "COMPOSE_PATH_SEPARATOR=;"}}, []string{"a", "b"}},
		{".env", "env", Options{}, []string{"dotenv-none"}},
		{".env of both directories", "env/sub", Options{}, []string{"dotenv-sub"}},
		{"no .env", "env", Options{Env: []string{"COMPOSE_DISABLE_ENV_FILE=1", "TAG=os"}}, []string{"os-none"}},
		{"COMPOSE_ENV_FILES", "env", Options{Env: []string{"COMPOSE_ENV_FILES=y.env,x.env"}}, []string{"x-y"}},
		{"env files given", "env", Options{EnvFiles: []string{"y.env"}, Env: []string{"COMPOSE_ENV_FILES=x.env"}}, []string{"y-y"}},
		{"/dev/null as env file", "env", Options{EnvFiles: []string{os.DevNull}, Env: []string{"TAG=os"}}, []string{"os-none"}},
		{"standard input", "env", Options{Files: []string{"-"}, Stdin: func() ([]byte, error) { return []byte(one("${TAG}")), nil }}, []string{"dotenv"}},
		{"a file and standard input", "plain", Options{
			Files: []string{"compose.yaml", "-"}, Stdin: func() ([]byte, error) { return []byte("services: {b: {image: in}}"), nil },
		}, []string{"base", "in"}},
		{"work directory", "dir", Options{Files: []string{"compose.yaml"}, WorkDir: at("dir", "elsewhere")}, []string{"x"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Chdir(at(c.cwd))
			if got := images(t, c.o); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

const manyProfiles = `
x-lyandev:
  defaultProfile: small
  profiles:
    small: {}
    big: {services: {a: {deploy: {replicas: 3}}}}
services:
  a: {image: x}
  b: {image: x, profiles: [debug]}
  c: {image: x, profiles: [tools, debug]}
  d: {image: x, profiles: [extra]}
`

func TestSeveralProfiles(t *testing.T) {
	cases := []struct {
		name     string
		profiles []string
		env      string
		want     string // workloads, replicas of a, profile
	}{
		{"default", nil, "", "a 1 small"},
		{"two of Compose", []string{"tools", "extra"}, "", "a c d 1 tools,extra"},
		{"one of each kind", []string{"big", "debug"}, "", "a b c 3 big,debug"},
		{"in one word", []string{"big,debug"}, "", "a b c 3 big,debug"},
		{"all", []string{"*"}, "", "a b c d 1 *"},
		{"all with one of ours", []string{"*", "big"}, "", "a b c d 3 *,big"},
		{"COMPOSE_PROFILES", nil, "tools, extra", "a c d 1 small"},
		{"COMPOSE_PROFILES selects ours", nil, "big,tools,of-another-project", "a c 3 big"},
		{"given ones win", []string{"extra"}, "big", "a d 1 extra"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := mustLoad(t, manyProfiles, Options{Profiles: c.profiles, Env: []string{"COMPOSE_PROFILES=" + c.env}})
			var got []string
			for _, w := range s.Workloads {
				got = append(got, w.Name())
			}
			got = append(got, []string{"0", "1", "2", "3"}[s.Workload("a").Replicas()], s.Profile)
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %q, want %q", strings.Join(got, " "), c.want)
			}
		})
	}
	_, err := loadText(t, manyProfiles, Options{Profiles: []string{"small", "big"}}, nil)
	contains(t, errorLines(t, err), "profiles small and big of x-lyandev cannot be active together")
	_, err = loadText(t, manyProfiles, Options{Profiles: []string{"debug", "dbug"}}, nil)
	contains(t, errorLines(t, err), `there is no profile "dbug" (did you mean debug?`)
	included := map[string]string{"other.yaml": "services: {z: {image: z, profiles: [deep]}}"}
	s, err := loadText(t, "include: [other.yaml]\nservices: {a: {image: x}}", Options{Profiles: []string{"deep"}}, included)
	if err != nil || s.Workload("z") == nil {
		t.Errorf("a profile of an included file: %v", err)
	}
}

// TestOnlyRegularFilesWithinTheLimits: loading never blocks on a FIFO, never reads a device, and is bounded in all its files
// together.
func TestOnlyRegularFilesWithinTheLimits(t *testing.T) {
	dir := write(t, map[string]string{"big.yaml": "services: {b: {image: '" + strings.Repeat("x", 900_000) + "'}}"})
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if err := os.Symlink("big.yaml", filepath.Join(dir, "big"+string(rune('0'+i))+".yaml")); err != nil {
			t.Fatal(err)
		}
	}
	service := "services: {a: {image: x}}\n"
	cases := []struct{ name, text, want string }{
		{"device", "include: [/dev/zero]\n" + service, "compose.yaml:1: include[0]: cannot read /dev/zero: it is not a regular file"},
		{"fifo", "include: [" + fifo + "]\n" + service, "it is not a regular file"},
		{"fifo as variables", "include: [{path: big.yaml, env_file: " + fifo + "}]\n" + service, "include[0].env_file: cannot read variables"},
		{"extends a fifo", "services:\n  a: {image: x, extends: {file: " + fifo + ", service: a}}\n", "compose.yaml:2: services.a.extends.file: cannot read"},
		{"fifo as env_file", "services:\n  a: {image: x, env_file: [{path: " + fifo + ", required: false}]}\n", "services.a.env_file[0]"},
		{"label_file", "services:\n  a: {image: x, label_file: " + fifo + "}\n", "services.a.label_file"},
		{"all files together", "include: [big.yaml, big0.yaml, big1.yaml, big2.yaml, big3.yaml, big4.yaml]\n" + service, "the limit of all together is 4194304 bytes"},
		{"a file that is missing", service + "include:\n  - nothere.yaml\n", "compose.yaml:3: include[0]: cannot read"},
		{"elsewhere", "include: ['oci://docker.io/x/y']\n" + service, "compose.yaml:1: include[0]: the file oci://docker.io/x/y is not on this machine"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(dir, "compose.yaml")
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Load(t.Context(), Options{Files: []string{path}})
			if err == nil {
				t.Fatal("no error")
			}
			contains(t, errorLines(t, err), c.want)
		})
	}
}

func TestLoadEndsWithItsContext(t *testing.T) {
	started, never := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := Load(ctx, Options{Files: []string{"-"}, Stdin: func() ([]byte, error) { close(started); <-never; return nil, nil }})
		done <- err
	}()
	<-started
	cancel(context.DeadlineExceeded)
	select {
	case err := <-done:
		if err != context.DeadlineExceeded { //nolint:errorlint // the very cause
			t.Errorf("got %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("Load did not end")
	}
	close(never)
}

// TestEnvironmentWithoutValue: a variable without a value takes the host's, in every way to write it, or is not set.
func TestEnvironmentWithoutValue(t *testing.T) {
	for _, form := range []string{"{TOKEN: , GONE: }", "[TOKEN, GONE]", "\n      TOKEN:\n      GONE:", "{TOKEN: null, GONE: ~}"} {
		s := mustLoad(t, "services:\n  a:\n    image: x\n    environment: "+form+"\n", Options{Env: []string{"TOKEN=of the host"}})
		env := s.Workload("a").PodSpec().Containers[0].Env
		if len(env) != 1 || env[0].Name != "TOKEN" || env[0].Value != "of the host" {
			t.Errorf("%q: %v", form, env)
		}
	}
}

func TestRawEnvFile(t *testing.T) {
	s, err := loadText(t, "services:\n  a: {image: x, env_file: [{path: raw.env, format: raw}]}\n", Options{Env: []string{"HOST=h"}},
		map[string]string{"raw.env": "\ufeff# comment\n\n  A=$B \"q\" # kept\nHOST\nGONE\nE=\nX==\n"})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, e := range s.Workload("a").PodSpec().Containers[0].Env {
		got[e.Name] = e.Value
	}
	if d := cmp.Diff(map[string]string{"A": "$B \"q\" # kept", "HOST": "h", "E": "", "X": "="}, got); d != "" {
		t.Error(d)
	}
}
