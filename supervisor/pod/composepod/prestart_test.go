package composepod

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
)

func twoHooks(c *compose.Container) {
	c.Service, c.Config.Env = "web", []string{"A=1"}
	c.PreStart = []compose.PreStart{
		{Command: []string{"one"}, Env: []string{"B=2"}, WorkingDir: "/tmp", User: "7"},
		{Command: []string{"two"}, Image: "hook:1", Privileged: true},
	}
}

// started are the names of the containers that were started, in order.
func (r *rig) started() []string {
	var out []string
	for _, c := range r.Calls("StartContainer") {
		out = append(out, c.Object)
	}
	return out
}

// TestPreStartHooks run one after the other, in containers of their own, once for all containers of the service.
func TestPreStartHooks(t *testing.T) {
	onRig(t, func(r *rig) {
		r.AddImage("hook:1", enginefake.Image{})
		r.On("p-web-pre-start-1", enginefake.Script{Exit: &enginefake.Exit{After: time.Second}})
		r.On("p-web-pre-start-2", enginefake.Script{Exit: &enginefake.Exit{After: time.Second}})
		w := r.start("web-1", twoHooks)
		r.want("web-1", "Pending ContainerCreating")
		spec, _ := r.Spec("p-web-pre-start-1")
		id := r.container("p-web-1").ID
		if x := spec.Exact; spec.Image != "img:1" || !slices.Equal(x.Config.Env, []string{"A=1", "B=2"}) || x.Config.User != "7" ||
			x.Config.WorkingDir != "/tmp" || !slices.Equal(x.Config.Cmd, []string{"one"}) || !slices.Equal(x.Host.VolumesFrom, []string{id}) ||
			x.Host.NetworkMode != "p_default" || len(x.Networks) != 1 || x.Networks[0].Network != "p_default" || x.Host.Privileged {
			t.Errorf("the first hook is %s, %+v", spec.Image, x)
		}
		r.pass(1500 * time.Millisecond)
		if spec, _ := r.Spec("p-web-pre-start-2"); spec.Image != "hook:1" || !spec.Exact.Host.Privileged {
			t.Errorf("the second hook is %s, %+v", spec.Image, spec.Exact)
		}
		r.pass(time.Second)
		r.want("web-1", "Running ready")
		r.start("web-2", func(c *compose.Container) { twoHooks(c); c.Name = "p-web-2" })
		r.pass(time.Second)
		r.want("web-2", "Running ready")
		w.RestartContainer("", "was asked to")
		r.pass(time.Minute)
		want := []string{"p-web-pre-start-1", "p-web-pre-start-2", "p-web-1", "p-web-2", "p-web-1"}
		if got := r.started(); !slices.Equal(got, want) {
			t.Errorf("started were %v, want %v", got, want)
		}
		if left := r.Containers(map[string]string{services.KindLabel: hookKind}); len(left) != 0 {
			t.Errorf("left are %v", left)
		}
	})
}

// TestPreStartHookThatFails prevents the start until somebody starts the service.
func TestPreStartHookThatFails(t *testing.T) {
	onRig(t, func(r *rig) {
		r.On("p-web-pre-start-1", enginefake.Script{Output: []enginefake.Output{{Text: "no schema\n"}}, Exit: &enginefake.Exit{After: time.Second, Code: 3}})
		w := r.start("web-1", twoHooks)
		r.pass(time.Hour)
		r.want("web-1", "Failed PreStartHookError PreStartHookError")
		want := `pre_start hook 1 ("one") of service web exited with 3: no schema`
		if got := r.status["web-1"].Status.Message; got != want {
			t.Errorf("the reason is %q, want %q", got, want)
		}
		if got := r.started(); !slices.Equal(got, []string{"p-web-pre-start-1"}) {
			t.Errorf("started were %v", got)
		}
		r.AddImage("hook:1", enginefake.Image{})
		for _, name := range []string{"p-web-pre-start-1", "p-web-pre-start-2"} {
			r.On(name, enginefake.Script{Exit: &enginefake.Exit{After: time.Second}})
		}
		w.Start()
		r.pass(time.Minute)
		r.want("web-1", "Running ready")
	})
}

// TestPreStartHooksOfAStartedContainer run again, and meanwhile the pod is not taken for one that has failed.
func TestPreStartHooksOfAStartedContainer(t *testing.T) {
	onRig(t, func(r *rig) {
		r.AddImage("hook:1", enginefake.Image{})
		for _, name := range []string{"p-web-pre-start-1", "p-web-pre-start-2"} {
			r.On(name, enginefake.Script{Exit: &enginefake.Exit{After: time.Second}})
		}
		r.On("p-web-1", enginefake.Script{Exit: &enginefake.Exit{After: time.Minute, Code: 3}})
		w := r.start("web-1", twoHooks)
		r.pass(time.Hour)
		r.want("web-1", "Failed exit=3")
		w.Start()
		r.pass(500 * time.Millisecond)
		r.want("web-1", "Pending ContainerCreating")
		r.pass(3 * time.Second)
		r.want("web-1", "Running ready restarts=1")
	})
}

// TestDeletionDuringAPreStartHook ends it.
func TestDeletionDuringAPreStartHook(t *testing.T) {
	onRig(t, func(r *rig) {
		w := r.start("web-1", twoHooks)
		w.Delete(nil)
		r.pass(time.Minute)
		if left := r.Containers(nil); len(left) != 0 || len(r.gone) != 1 {
			t.Errorf("left are %v, gone %v", left, r.gone)
		}
	})
}

// TestCredentials of the host are written into the container of a service with use_api_socket.
func TestCredentials(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	onRig(t, func(r *rig) {
		r.start("web-1", func(c *compose.Container) { c.Credentials = true })
		data, ok := r.File("p-web-1", compose.CredentialsFile)
		var conf struct{ Auths map[string]any }
		if err := json.Unmarshal(data, &conf); !ok || err != nil || conf.Auths == nil {
			t.Errorf("%s, %v, %v", data, ok, err)
		}
		r.want("web-1", "Running ready")
	})
}

// TestPostStartHookThatFails leaves the container running and the pod not ready, with the reason, until it is started again.
func TestPostStartHookThatFails(t *testing.T) {
	onRig(t, func(r *rig) {
		code := 3
		r.On("p-web-1", enginefake.Script{Exec: func(_ context.Context, x *enginefake.Execution) (int, error) {
			_, _ = x.Stdout.Write([]byte("no schema\n"))
			return code, nil
		}})
		w := r.start("web-1", func(c *compose.Container) { c.PostStart = []compose.Hook{{Command: []string{"load"}}} })
		r.pass(time.Minute)
		r.want("web-1", "Running PostStartHookError")
		want := `the hook "load" in container web exited with 3: no schema`
		if got := r.status["web-1"].Status.Message; got != want {
			t.Errorf("the reason is %q, want %q", got, want)
		}
		code = 0
		w.RestartContainer("", "was asked to")
		r.pass(time.Minute)
		r.want("web-1", "Running ready restarts=1")
	})
}
