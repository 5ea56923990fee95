package main

import (
	"bytes"
	"os"
	"testing"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/resources"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// `down --volumes` deletes the stack's volumes and those that Docker Compose made for it and it has used, and no others.
func TestRemoveVolumes(t *testing.T) {
	i, err := (&instance.Registry{Root: t.TempDir()}).Resolve(t.Context(), "p", "/dir", "p")
	if err == nil {
		err = i.Save()
	}
	if err == nil {
		err = os.WriteFile(i.File("compose-volumes.json"), []byte(`["p_used","p_foreign","p_gone"]`), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	eng := enginefake.New()
	for name, labels := range map[string]map[string]string{
		"p_own":     {services.ProjectLabel: "p", resources.ComposeProject: "p"},
		"p_used":    {resources.ComposeProject: "p"},
		"p_unused":  {resources.ComposeProject: "p"},
		"p_foreign": {resources.ComposeProject: "q"}, // made anew by another project since
		"external":  nil,
	} {
		if err := eng.CreateVolume(t.Context(), engine.VolumeSpec{Name: name, Labels: labels}); err != nil {
			t.Fatal(err)
		}
	}
	var said bytes.Buffer
	if err := removeVolumes(t.Context(), &ui.Streams{Out: &said, Err: &said}, eng, i); err != nil {
		t.Fatal(err)
	}
	if want := "deleted volume p_own\ndeleted volume p_used\n"; said.String() != want {
		t.Errorf("said %q, want %q", said.String(), want)
	}
	left, err := eng.ListVolumes(t.Context(), nil)
	if err != nil || len(left) != 3 {
		t.Errorf("left: %+v, %v", left, err)
	}
}
