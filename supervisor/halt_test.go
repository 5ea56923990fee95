package supervisor

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
	"github.com/lyandev/lyandev/supervisor/state"
)

// plainPair is a plain web that depends on a plain db, beside a Deployment.
func plainPair(t *testing.T) *services.Stack {
	t.Helper()
	web := plainService(t, "web")
	web.DependsOn = []services.Dependency{{Workload: "db", Condition: services.Started}}
	return prepared(t, web, plainService(t, "db"), deployment("api", 1))
}

// onPair runs a test with a plainPair whose endpoint tables are pushed.
func onPair(t *testing.T, test func(r *rig)) {
	t.Helper()
	onRig(t, plainPair(t), func(r *rig) {
		ctx, cancel := context.WithCancel(r.t.Context())
		pushed := make(chan error, 1)
		go func() { pushed <- r.s.podnet.Run(ctx) }()
		test(r)
		cancel()
		<-pushed
	})
}

// stops are the containers that the engine was told to stop.
func (r *rig) stops() (out []string) {
	for _, c := range r.Calls("StopContainer") {
		out = append(out, c.Object)
	}
	return out
}

// left are the containers of pods that there are, with their states.
func (r *rig) left() (out []string) {
	r.t.Helper()
	list, err := r.ListContainers(r.t.Context(), map[string]string{services.WorkloadLabel: ""})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, c := range list {
		out = append(out, c.Name+" "+string(c.State))
	}
	slices.Sort(out)
	return out
}

// TestHalt: the containers of plain services are stopped, dependents first, and stay with the saved stack and the network; pods
// of Kubernetes' semantics go.
func TestHalt(t *testing.T) {
	onPair(t, func(r *rig) {
		if err := r.s.saveStack(r.s.cluster.Stack()); err != nil {
			r.t.Fatal(err)
		}
		r.s.Halt()
		r.pass(time.Minute)
		r.phase(state.Stopped)
		if got := r.left(); !slices.Equal(got, []string{"s-db-1 exited", "s-web-1 exited"}) {
			r.t.Errorf("left: %v", got)
		}
		stops := slices.DeleteFunc(r.stops(), func(name string) bool { return name != "s-web-1" && name != "s-db-1" })
		if !slices.Equal(stops, []string{"s-web-1", "s-db-1"}) {
			r.t.Errorf("stopped in the order %v", stops)
		}
		r.stop()
		if err := r.s.cleanUp(); err != nil {
			r.t.Error(err)
		}
		if _, saved := SavedProfile(r.s.cfg.Instance); !saved {
			r.t.Error("the stack was forgotten")
		}
		if _, err := r.InspectNetwork(r.t.Context(), "s_default"); err != nil {
			r.t.Error(err)
		}
		seen, err := Observe(r.t.Context(), r.Engine, r.s.cfg.Instance)
		if err != nil || len(seen.Pods) != 2 || seen.Pods[0].Status.Reason != services.ReasonStopped {
			r.t.Errorf("without a supervisor: %+v, %v", seen, err)
		}
	})
}

// TestHaltThenStop: a stop that comes while the containers are being stopped removes them, and does not hurry; a second Halt does.
func TestHaltThenStop(t *testing.T) {
	for _, c := range []struct {
		name   string
		second func(*Supervisor)
		after  time.Duration
		left   int
	}{
		{"stop", (*Supervisor).Stop, 25 * time.Second, 0},
		{"again", (*Supervisor).Halt, 2 * time.Second, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			onPair(t, func(r *rig) {
				r.OnEach("s-*", func(int, engine.ContainerSpec) enginefake.Script { return enginefake.Script{IgnoreStop: true} })
				if err := r.s.Control(r.t.Context(), Control{Verb: "restart", Services: []string{"web"}}); err != nil {
					r.t.Fatal(err)
				}
				r.pass(time.Minute)
				r.s.Halt()
				r.pass(time.Second)
				r.phase(state.Stopping)
				c.second(r.s)
				r.pass(c.after)
				r.phase(state.Stopped)
				if got := r.left(); len(got) != c.left {
					r.t.Errorf("left: %v", got)
				}
			})
		})
	}
}
