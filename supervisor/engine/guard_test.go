package engine_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
)

// TestGuarded: once nothing is allowed, no call that changes what there is reaches the engine, and what reads still does.
func TestGuarded(t *testing.T) {
	fake := enginefake.New()
	lost := errors.New("the lock is gone")
	var allowed error
	e := engine.Guarded(fake, func() error { return allowed })
	ctx := t.Context()
	if err := e.CreateVolume(ctx, engine.VolumeSpec{Name: "before"}); err != nil {
		t.Fatal(err)
	}
	allowed = lost
	_, create := e.CreateContainer(ctx, engine.ContainerSpec{})
	_, load := e.ImportImage(ctx, "img", nil, strings.NewReader(""))
	_, network := e.CreateNetwork(ctx, engine.NetworkSpec{})
	for name, err := range map[string]error{
		"create": create, "import": load, "network": network,
		"start": e.StartContainer(ctx, "c"), "rename": e.RenameContainer(ctx, "c", "d"), "remove": e.RemoveContainer(ctx, "c"), "remove only": e.RemoveContainerOnly(ctx, "c"), "remove network": e.RemoveNetwork(ctx, "n"),
		"connect": e.ConnectNetwork(ctx, "n", "c", engine.EndpointAt(netip.Addr{})),
		"volume":  e.CreateVolume(ctx, engine.VolumeSpec{Name: "after"}), "remove volume": e.RemoveVolume(ctx, "before"),
	} {
		if !errors.Is(err, lost) {
			t.Errorf("%s: %v", name, err)
		}
	}
	list, err := e.ListVolumes(ctx, nil)
	if err != nil || len(list) != 1 || list[0].Name != "before" {
		t.Errorf("volumes %v, %v", list, err)
	}
}
