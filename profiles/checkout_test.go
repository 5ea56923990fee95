package profiles

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lyandev/lyandev/services"
)

// TestLyannaCheckout: what lyanna.dev.yaml adds for a checkout of lyanna itself, in both profiles. Without LYANNA_SRC nothing of it
// is there, which TestLyanna's golden files say.
func TestLyannaCheckout(t *testing.T) {
	for _, profile := range []string{"minimal", "ha"} {
		s := lyanna(t, profile, "LYANNA_SRC="+t.TempDir())
		web, arq := s.Workload("lyanna-deployment"), s.Workload("lyanna-arq")
		if d := cmp.Diff([]string{"python", "app.py"}, web.PodSpec().Containers[0].Args); d != "" {
			t.Errorf("%s: web's command (-want +got):\n%s", profile, d)
		}
		if d := cmp.Diff([]string{"./arq", "tasks.WorkerSettings"}, arq.PodSpec().Containers[0].Args); d != "" {
			t.Errorf("%s: arq's command (-want +got):\n%s", profile, d)
		}
		if got := arq.PodMeta().Annotations[services.LocalhostAnnotation]; got != "6379=redis:6379" {
			t.Errorf("%s: arq's localhost %q", profile, got)
		}
		if len(web.Bootstrap) != 1 || len(arq.Bootstrap) != 0 {
			t.Fatalf("%s: steps %v, %v", profile, web.Bootstrap, arq.Bootstrap)
		}
		if n := len(web.PodSpec().InitContainers); n != 0 {
			t.Errorf("%s: %d init containers", profile, n)
		}
		step := web.Bootstrap[0]
		if len(step.Check) != 3 || len(step.Run) != 4 || step.Check[2] != step.Run[2] || step.Run[3] != "make" {
			t.Errorf("%s: the step that makes the schema does not check for it with the same program: %q, %q", profile, step.Check, step.Run)
		}
		if web.Test == nil || web.Test.Command[0] != "python" || strings.Contains(strings.Join(web.Test.Command, " "), "/app/tests") {
			t.Errorf("%s: lyandev test runs %v", profile, web.Test)
		}
	}
}

const withBase = `
x-lyandev:
  profiles:
    small: {extends: ["${EXTRA:+extra}"]}
    big: {extends: [small, "${MISSING:-}"]}
    extra: {base: true, description: only for others, activate: [], services: {web: {image: b}}}
services:
  web: {image: a}
`

func TestExtendsTakesVariables(t *testing.T) {
	for _, c := range []struct{ profile, env, want string }{
		{"small", "EXTRA=", "a"}, {"small", "EXTRA=1", "b"}, {"big", "EXTRA=", "a"}, {"big", "EXTRA=1", "b"},
	} {
		s := mustLoad(t, withBase, Options{Profiles: []string{c.profile}, Env: []string{c.env}})
		if got := s.Workload("web").PodSpec().Containers[0].Image; got != c.want {
			t.Errorf("%s with %s has image %s, want %s", c.profile, c.env, got, c.want)
		}
	}
}

func TestBaseProfileCannotBeChosen(t *testing.T) {
	dir := write(t, map[string]string{"compose.yaml": withBase})
	_, err := Load(context.Background(), Options{WorkDir: dir, Profiles: []string{"extra"}})
	if err == nil || !strings.Contains(err.Error(), `there is no profile "extra"; profiles: big, small`) {
		t.Errorf("error %v", err)
	}
	list, err := List(context.Background(), Options{WorkDir: dir, Env: []string{"EXTRA=1"}})
	if err != nil || len(list) != 2 || list[0].Name != "small" || list[1].Name != "big" {
		t.Errorf("listed %+v, error %v", list, err)
	}
}
