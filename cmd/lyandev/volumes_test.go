package main

import (
	"bytes"
	"testing"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/snapshot"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// TestVolumes: the volumes of the instance, without snapshots and those of others.
func TestVolumes(t *testing.T) {
	eng := enginefake.New()
	for name, labels := range map[string]map[string]string{
		"shop_b": {services.ProjectLabel: "shop"}, "shop_a": {services.ProjectLabel: "shop"}, "other_a": {services.ProjectLabel: "other"},
		"shop_snapshot": {services.ProjectLabel: "shop", snapshot.NameLabel: "s"},
	} {
		if err := eng.CreateVolume(t.Context(), engine.VolumeSpec{Name: name, Labels: labels}); err != nil {
			t.Fatal(err)
		}
	}
	list, err := volumesOf(t.Context(), eng, &instance.Instance{Name: "shop", Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	users := []engine.Container{{Mounts: []engine.Mount{{Volume: "shop_b", Target: "/data"}}}}
	if mountedBy(users, "shop_a") || !mountedBy(users, "shop_b") {
		t.Error("the container mounts shop_b only")
	}
	template, err := parseFormat("table {{.Name}}\t{{.Labels}}", volumeLine{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		format *rowFormat
		quiet  bool
		want   string
	}{
		{nil, true, "shop_a\nshop_b\n"},
		{template, false, "NAME     LABELS\nshop_a   dev.lyandev.project=shop\nshop_b   dev.lyandev.project=shop\n"},
	} {
		var out bytes.Buffer
		if err := printVolumes(&ui.Streams{Out: &out}, list, c.format, output.Options{Quiet: c.quiet}); err != nil || out.String() != c.want {
			t.Errorf("%v: %q, want %q", err, out.String(), c.want)
		}
	}
}
