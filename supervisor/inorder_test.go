package supervisor

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
)

// plainChain is a chain db <- api <- web of plain services, and a service by itself. api waits for the health of db, which takes three
// seconds, and is restarted with it; web needs api to be started.
func plainChain(t *testing.T) *services.Stack {
	t.Helper()
	db := plainService(t, "db")
	changeContainer(t, db, func(c *compose.Container) {
		c.Config.Healthcheck = &container.HealthConfig{Test: []string{"CMD", "check"}, Interval: 3 * time.Second}
	})
	api, web := plainService(t, "api"), plainService(t, "web")
	api.DependsOn = []services.Dependency{{Workload: "db", Condition: services.Healthy, Restart: true, Reason: "depends_on"}}
	web.DependsOn = []services.Dependency{{Workload: "api", Condition: services.Started, Reason: "depends_on"}}
	return prepared(t, web, api, db, plainService(t, "other"))
}

func changeContainer(t *testing.T, x *services.Workload, change func(*compose.Container)) {
	t.Helper()
	c, err := compose.Decode(x.PodMeta().Annotations[compose.Annotation], "s")
	if err != nil {
		t.Fatal(err)
	}
	change(c)
	text, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	x.PodMeta().Annotations[compose.Annotation] = text
}

// save makes the instance's directory.
func (r *rig) save() {
	r.t.Helper()
	if err := r.s.cfg.Instance.Save(); err != nil {
		r.t.Fatal(err)
	}
}

// ask has the supervisor do something, and returns the engine's starts and stops that it made, in order, as "start db".
func (r *rig) ask(c Control) (calls []string, err error) {
	before := len(r.Calls("StartContainer", "StopContainer", "RemoveContainer", "RemoveContainerOnly"))
	err = r.s.Control(r.t.Context(), c)
	for _, call := range r.Calls("StartContainer", "StopContainer", "RemoveContainer", "RemoveContainerOnly")[before:] {
		verb := strings.ToLower(strings.TrimSuffix(strings.TrimSuffix(call.Method, "Only"), "Container"))
		calls = append(calls, verb+" "+strings.Split(strings.TrimPrefix(call.Object, "s-"), "-")[0])
	}
	return calls, err
}

func (r *rig) wantCalls(c Control, want ...string) {
	r.t.Helper()
	if got, err := r.ask(c); err != nil || !slices.Equal(got, want) {
		r.t.Errorf("%s %v: %q, %v; want %q", c.Verb, c.Services, got, err, want)
	}
}

// TestLifecycleInOrder: services are stopped after their dependents, started after what they depend on, whose health is waited
// for, and Control returns when all is done and published.
func TestLifecycleInOrder(t *testing.T) {
	onRig(t, plainChain(t), func(r *rig) {
		r.save()
		ctx, cancel := context.WithCancel(r.t.Context())
		pushed := make(chan error, 1)
		go func() { pushed <- r.s.podnet.Run(ctx) }()
		defer func() { cancel(); <-pushed }()
		r.OnEach("s-web-1", func(int, engine.ContainerSpec) enginefake.Script {
			return enginefake.Script{OnStop: &enginefake.Exit{After: 2 * time.Second}}
		})
		phases := func() (out []string) {
			for _, p := range r.s.Store().Latest().Pods {
				out = append(out, p.Name+" "+string(p.Status.Phase))
			}
			return out
		}
		r.wantCalls(Control{Verb: "restart", Services: []string{"web"}}, "stop web", "start web")
		chain := []string{"web", "api", "db"}
		r.wantCalls(Control{Verb: "stop", Services: chain}, "stop web", "stop api", "stop db")
		if got := phases(); slices.Contains(got, "db-1 Running") {
			r.t.Errorf("after stop: %v", got)
		}
		began := time.Now()
		r.wantCalls(Control{Verb: "start", Services: []string{"web"}}, "start db", "start api", "start web")
		if took := time.Since(began); took < 3*time.Second || slices.ContainsFunc(phases(), func(s string) bool { return !strings.HasSuffix(s, " Running") }) {
			r.t.Errorf("after start, which took %s: %v", took, phases())
		}
		r.wantCalls(Control{Verb: "restart", Services: []string{"db"}}, "stop db", "start db", "stop api", "start api")
		r.wantCalls(Control{Verb: "rm", Services: []string{"web", "api"}, Stop: true}, "stop web", "remove web", "stop api", "remove api")
		if got := phases(); len(got) != 2 {
			r.t.Errorf("after rm: %v", got)
		}
	})
}

// TestStartFailsWithItsDependency: start says at once why it cannot go on; restart does not wait for what is stopped.
func TestStartFailsWithItsDependency(t *testing.T) {
	onRig(t, plainChain(t), func(r *rig) {
		r.save()
		r.wantCalls(Control{Verb: "stop", Services: []string{"db"}}, "stop db")
		r.wantCalls(Control{Verb: "restart", Services: []string{"api"}}, "stop api", "start api")
		r.wantCalls(Control{Verb: "stop", Services: []string{"api"}}, "stop api")
		r.OnEach("s-db-1", func(int, engine.ContainerSpec) enginefake.Script {
			return enginefake.Script{Health: []enginefake.HealthChange{{After: time.Second, Status: engine.HealthUnhealthy, Output: "no disk"}}}
		})
		_, err := r.ask(Control{Verb: "start", Services: []string{"api"}})
		want := "cannot start api: dependency db failed to start: it is unhealthy: no disk"
		if err == nil || err.Error() != want {
			r.t.Errorf("error %v, want %s", err, want)
		}
	})
}
