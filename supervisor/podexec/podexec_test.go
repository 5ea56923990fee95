package podexec

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/engine"
)

// fake is an engine that notes what it is asked for.
type fake struct {
	ran       []string
	inspected int
	err       error
}

func (f *fake) Exec(_ context.Context, id string, spec engine.ExecSpec) (engine.ExecResult, error) {
	f.ran = append(f.ran, fmt.Sprint(id, spec.Cmd, spec.Env))
	return engine.ExecResult{ExitCode: 3, Output: []byte("out")}, f.err
}

func (f *fake) InspectContainer(_ context.Context, id string) (engine.Container, error) {
	f.inspected++
	return engine.Container{Env: []string{"ID=" + id, "EMPTY", "URL=a=b"}}, f.err
}

func container(name, id string, runs bool) corev1.ContainerStatus {
	c := corev1.ContainerStatus{Name: name, ContainerID: id}
	if runs {
		c.State.Running = &corev1.ContainerStateRunning{}
	}
	return c
}

func find(name string) *corev1.Pod {
	if name == "none" {
		return nil
	}
	p := &corev1.Pod{}
	p.Status.ContainerStatuses = []corev1.ContainerStatus{
		container("init", "docker://0", false), container("main", "docker://"+name, true), container("side", "plain", true),
	}
	return p
}

func TestExec(t *testing.T) {
	for name, c := range map[string]struct {
		pod, container string
		want, err      string
	}{
		"named":         {"p", "side", "plain[ls -l] [A=b]", ""},
		"first running": {"p", "", "p[ls -l] [A=b]", ""},
		"not running":   {"p", "init", "", "container init of pod p: it is not running"},
		"no pod":        {"none", "", "", "cannot reach pod none: there is none"},
	} {
		t.Run(name, func(t *testing.T) {
			e := &fake{}
			exit, out, err := New(e, find).Exec(t.Context(), c.pod, c.container, []string{"ls", "-l"}, []string{"A=b"})
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) || len(e.ran) != 0 {
					t.Errorf("got %v after %v", err, e.ran)
				}
				return
			}
			if err != nil || exit != 3 || string(out) != "out" || e.ran[0] != c.want {
				t.Errorf("got %d %q %v, ran %q", exit, out, err, e.ran)
			}
		})
	}
}

// TestEnvOutlivesTheEngine: once known, an environment is told without the engine, and callers cannot change it.
func TestEnvOutlivesTheEngine(t *testing.T) {
	e := &fake{err: errors.New("the engine is away")}
	p := New(e, find)
	if _, err := p.Env("p", "main"); !errors.Is(err, e.err) {
		t.Errorf("got %v", err)
	}
	e.err = nil
	for range 3 {
		env, err := p.Env("p", "main")
		if v, ok := env["EMPTY"]; err != nil || env["ID"] != "p" || env["URL"] != "a=b" || v != "" || !ok {
			t.Fatalf("got %v %v", env, err)
		}
		env["ID"] = "changed"
		e.err = errors.New("the engine is away")
	}
	if e.inspected != 2 {
		t.Errorf("the engine was asked %d times, want 2", e.inspected)
	}
	if _, err := p.Env("none", ""); err == nil {
		t.Error("a pod that is not there has an environment")
	}
}

func TestEnvironmentsAreBounded(t *testing.T) {
	p := New(&fake{}, find)
	for i := range 3 * environmentsKept {
		if _, err := p.Env(fmt.Sprint("pod", i), "main"); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(p.environments); n > environmentsKept {
		t.Errorf("%d environments are kept", n)
	}
}
