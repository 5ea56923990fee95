package engine_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
)

// TestUncut: a call that changes what there is goes on when its context ends, and does not begin after that.
func TestUncut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := enginefake.New()
		fake.AddImage("img", enginefake.Image{})
		fake.Inject(func(f *enginefake.Faults) { f.Any = enginefake.Delay(time.Minute) })
		e := engine.Uncut(fake)
		gone := errors.New("nobody waits")
		for _, step := range []struct {
			name string
			call func(ctx context.Context) error
		}{
			{"create network", func(ctx context.Context) error {
				_, err := e.CreateNetwork(ctx, engine.NetworkSpec{Name: "n"})
				return err
			}},
			{"create volume", func(ctx context.Context) error { return e.CreateVolume(ctx, engine.VolumeSpec{Name: "vol"}) }},
			{"create container", func(ctx context.Context) error {
				_, err := e.CreateContainer(ctx, engine.ContainerSpec{Name: "one", Image: "img"})
				return err
			}},
			{"connect", func(ctx context.Context) error {
				return e.ConnectNetwork(ctx, "n", "one", engine.EndpointAt(netip.Addr{}))
			}},
			{"start", func(ctx context.Context) error { return e.StartContainer(ctx, "one") }},
			{"rename", func(ctx context.Context) error { return e.RenameContainer(ctx, "one", "two") }},
			{"remove only", func(ctx context.Context) error { return e.RemoveContainerOnly(ctx, "two") }},
			{"remove", func(ctx context.Context) error { return e.RemoveContainer(ctx, "two") }},
			{"remove network", func(ctx context.Context) error { return e.RemoveNetwork(ctx, "n") }},
			{"remove volume", func(ctx context.Context) error { return e.RemoveVolume(ctx, "vol") }},
		} {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(gone) })
			if err := step.call(ctx); err != nil && !engine.IsNotFound(err) {
				t.Errorf("%s: %v", step.name, err)
			}
			calls := len(fake.Calls())
			if err := step.call(ctx); !errors.Is(err, gone) || len(fake.Calls()) != calls {
				t.Errorf("%s after the end of its context: %v, %d calls reached the engine", step.name, err, len(fake.Calls())-calls)
			}
		}
	})
}
