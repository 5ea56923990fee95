package workers

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
	"github.com/lyandev/lyandev/supervisor/pod/dockerpod"
)

// helpers are the containers that serve loopbacks.
func (r *rig) helpers() []engine.Container {
	return r.Containers(map[string]string{services.KindLabel: dockerpod.KindLoopback})
}

// served fails unless one container serves the loopback of the last start of another.
func (r *rig) served(id, when string) engine.Container {
	r.t.Helper()
	list := r.helpers()
	if len(list) != 1 || list[0].State != engine.StateRunning {
		r.t.Fatalf("%s: the helpers are %+v", when, list)
	}
	spec, _ := r.Spec(list[0].ID)
	owner, err := r.InspectContainer(r.t.Context(), id)
	if err != nil || spec.NetworkContainer != id || spec.Labels[dockerpod.StartLabel] != owner.Started.Format(time.RFC3339Nano) {
		r.t.Fatalf("%s: it joins %s for the start %s; the container started %s, %v", when, spec.NetworkContainer, spec.Labels[dockerpod.StartLabel], owner.Started, err)
	}
	return list[0]
}

// TestLoopbackOfAContainer: each start of a container has a helper in its network namespace, which goes with the container's end,
// also if nobody looked meanwhile or a first try failed.
func TestLoopbackOfAContainer(t *testing.T) {
	onRig(t, func(r *rig) {
		ctx := r.t.Context()
		r.AddImage("sandbox", enginefake.Image{})
		id, err := r.CreateContainer(ctx, engine.ContainerSpec{Name: "s-web-1", Image: "img:1", Network: "s_default", Labels: map[string]string{
			services.ProjectLabel: "s", services.LocalhostLabel: "6379=redis:6379",
		}})
		must := func(err error) {
			r.t.Helper()
			if err != nil {
				r.t.Fatal(err)
			}
			r.pass(10 * time.Second)
		}
		must(err)
		if list := r.helpers(); len(list) != 0 {
			r.t.Fatalf("before the start: %+v", list)
		}
		failed := 0
		r.Inject(func(f *enginefake.Faults) {
			f.CreateContainer = func(context.Context, enginefake.Call) error {
				if failed++; failed < 3 {
					return errors.New("no")
				}
				return nil
			}
		})
		must(r.StartContainer(ctx, id))
		first := r.served(id, "after the start")
		r.Heal()
		must(r.StopContainer(ctx, id, "", 0))
		if list := r.helpers(); len(list) != 0 {
			r.t.Fatalf("after the end: %+v", list)
		}
		must(r.StartContainer(ctx, id))
		if again := r.served(id, "after the restart"); again.ID == first.ID {
			r.t.Error("the helper of the last namespace is still used")
		}
		r.end()
		must(r.StopContainer(ctx, id, "", 0))
		must(r.StartContainer(ctx, id))
		r.begin()
		r.pass(10 * time.Second)
		r.served(id, "after a restart that no supervisor saw")
		must(r.RemoveContainer(ctx, id))
		if list := r.helpers(); len(list) != 0 {
			r.t.Errorf("after the removal: %+v", list)
		}
	})
}
