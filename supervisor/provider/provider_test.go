package provider

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
)

// host is a directory with programs; each call is a line of the file calls.
type host struct {
	t    *testing.T
	dir  string
	info []string
}

func newHost(t *testing.T, programs map[string]string) *host {
	t.Helper()
	h := &host{t: t, dir: t.TempDir()}
	for name, script := range programs {
		path := filepath.Join(h.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		text := "#!/bin/sh\necho \"" + filepath.Base(name) + " $*\" >>" + h.dir + "/calls\n" + script
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil { //nolint:gosec // a program
			t.Fatal(err)
		}
	}
	return h
}

func (h *host) runner() *Runner {
	return &Runner{
		Project: "p", Dir: h.dir, Env: []string{"PATH=" + h.dir + "/bin:/usr/bin:/bin", "DOCKER_CONFIG=" + h.dir + "/docker"},
		Info: func(service, line string) { h.info = append(h.info, service+": "+line) },
	}
}

func (h *host) wantCalls(want ...string) {
	h.t.Helper()
	b, _ := os.ReadFile(h.dir + "/calls")
	got := strings.Split(strings.TrimSpace(string(b)), "\n")
	if len(b) == 0 {
		got = nil
	}
	if !slices.Equal(got, want) {
		h.t.Errorf("calls were\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func plain(t *testing.T, name string, env ...string) *services.Workload {
	t.Helper()
	text, err := (&compose.Container{Service: name}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	s := &services.ComposeService{ObjectMeta: metav1.ObjectMeta{Name: strings.ToLower(name)}}
	s.Spec.ServiceName = name
	s.Spec.Template.Annotations = map[string]string{compose.Annotation: text}
	s.Spec.Template.Spec.Containers = []corev1.Container{{Name: "c"}}
	w := &services.Workload{Object: s}
	if err := setEnvironment(w, func(m map[string]string) {
		for _, e := range env {
			k, v, _ := strings.Cut(e, "=")
			m[k] = v
		}
	}); err != nil {
		t.Fatal(err)
	}
	return w
}

func wantEnv(t *testing.T, w *services.Workload, want ...string) {
	t.Helper()
	c, err := compose.Decode(w.PodMeta().Annotations[compose.Annotation], "p")
	if err != nil || !slices.Equal(c.Config.Env, want) {
		t.Errorf("%s has the environment %q, %v; want %q", w.DisplayName(), c.Config.Env, err, want)
	}
}

const speaks = `[ "$2" = metadata ] && exit 1
[ "$3" = up ] || exit 0
echo '{"type":"info","message":"working\\nhard"}{"type":"debug","message":"x"}'
echo '{"type":"setenv","message":"URL=https://x/?a=b"}{"type":"rawsetenv","message":"RAW=raw"}'
`

func TestProviderCompletesItsDependents(t *testing.T) {
	h := newHost(t, map[string]string{"bin/cloud": speaks})
	web, other := plain(t, "Web", "A=1", "RAW=old"), plain(t, "other")
	stack := &services.Stack{Workloads: []*services.Workload{web, other}, Providers: []*compose.Provider{{
		Name: "db", Type: "cloud", Dependents: []string{"Web"}, Options: map[string][]string{"size": {"3"}, "list": {"a", "b"}},
	}}}
	if err := h.runner().Up(t.Context(), stack, nil); err != nil {
		t.Fatal(err)
	}
	wantEnv(t, web, "A=1", "DB_URL=https://x/?a=b", "RAW=raw")
	wantEnv(t, other)
	if !slices.Equal(h.info, []string{"db: working"}) {
		t.Errorf("told %q", h.info)
	}
	if err := h.runner().Up(t.Context(), stack, []string{"other"}); err != nil {
		t.Fatal(err)
	}
	if err := h.runner().Down(t.Context(), stack.Providers); err != nil {
		t.Fatal(err)
	}
	const options = "--list=a --list=b --size=3 db"
	h.wantCalls("cloud compose metadata", "cloud compose --project-name=p up "+options, "cloud compose metadata", "cloud compose --project-name=p down "+options)
}

// TestProviderThatDescribesItself gets the options that it knows.
func TestProviderThatDescribesItself(t *testing.T) {
	h := newHost(t, map[string]string{"docker/cli-plugins/docker-cloud": `[ "$2" = metadata ] || exit 0
echo '{"description":"d","up":{"parameters":[{"name":"size","required":true}]}}'
`})
	p := &compose.Provider{Name: "db", Type: "cloud", Options: map[string][]string{"size": {"3"}, "x": {"y"}}}
	if err := h.runner().Up(t.Context(), &services.Stack{Providers: []*compose.Provider{p}}, nil); err != nil {
		t.Fatal(err)
	}
	h.wantCalls("docker-cloud compose metadata", "docker-cloud compose --project-name=p up --size=3 db")
	delete(p.Options, "size")
	err := h.runner().Up(t.Context(), &services.Stack{Providers: []*compose.Provider{p}}, nil)
	if err == nil || !strings.Contains(err.Error(), "needs the option size") {
		t.Errorf("%v", err)
	}
}

func TestProviderErrors(t *testing.T) {
	for _, c := range []struct{ script, want string }{
		{`[ "$3" = up ] && echo '{"type":"error","message":"no quota"}'`, "no quota"},
		{`[ "$3" = up ] && echo oops >&2; exit 4`, "exit status 4: oops"},
		{`[ "$3" = up ] && echo text`, "it printed something that is no JSON message"},
		{`[ "$3" = up ] && echo '{"type":"setenv","message":"x"}'`, "which is not NAME=VALUE"},
		{`[ "$3" = up ] && echo '{"type":"new"}'`, `unknown type "new"`},
	} {
		h := newHost(t, map[string]string{"bin/cloud": c.script + "\n"})
		err := h.runner().Up(t.Context(), &services.Stack{Providers: []*compose.Provider{{Name: "db", Type: "cloud", Source: "compose.yaml:3"}}}, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "compose.yaml:3: cannot up service db with ") {
			t.Errorf("%s: %v, want %q", c.script, err, c.want)
		}
	}
}

// TestAMissingProgram is an error before anything runs.
func TestAMissingProgram(t *testing.T) {
	h := newHost(t, map[string]string{"bin/cloud": speaks})
	err := h.runner().Up(t.Context(), &services.Stack{
		Providers: []*compose.Provider{{Name: "db", Type: "cloud"}, {Name: "queue", Type: "absent", Source: "compose.yaml:9"}},
		Models:    []*compose.Model{{Key: "llm", Model: "ai/x", Source: "compose.yaml:12"}},
	}, nil)
	for _, want := range []string{
		"compose.yaml:9: cannot provide service queue: there is neither a Docker CLI plugin docker-absent nor a program absent in PATH",
		"compose.yaml:12: cannot use model llm: the Docker CLI plugin docker-model, which models need, is not installed",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	h.wantCalls()
}

func TestModels(t *testing.T) {
	for version, flags := range map[string]string{"v1.0.9": " -- --f", "v1.0.5": "", "?": ""} {
		h := newHost(t, map[string]string{"docker/cli-plugins/docker-model": `case "$1" in
docker-cli-plugin-metadata) echo '{"SchemaVersion":"0.1.0","Version":"` + version + `"}' ;;
status) echo '{"endpoint":"http://runner/v1"}' ;;
ls) echo '[{"tags":["ai/here"]}]' ;;
esac
`})
		web := plain(t, "web", "LLM_URL="+compose.ModelEndpoint)
		err := h.runner().Up(t.Context(), &services.Stack{Workloads: []*services.Workload{web}, Models: []*compose.Model{
			{Key: "a", Model: "ai/here", ContextSize: 1024, RuntimeFlags: []string{"--f"}}, {Key: "b", Model: "ai/absent"},
		}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		wantEnv(t, web, "LLM_URL=http://runner/v1")
		h.wantCalls("docker-model docker-cli-plugin-metadata", "docker-model ls --json", "docker-model status --json",
			"docker-model configure --context-size 1024 ai/here"+flags, "docker-model pull ai/absent", "docker-model configure ai/absent")
	}
}
