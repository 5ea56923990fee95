package main

import (
	"archive/tar"
	"bytes"
	"crypto/rand"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/build"
	"github.com/lyandev/lyandev/supervisor/disk"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/snapshot"
)

// TestPruneOnARealEngine makes an image, a volume and a snapshot of an instance whose directory does not exist, and removes what the plan
// says of them, and nothing of anybody else.
func TestPruneOnARealEngine(t *testing.T) {
	if testing.Short() {
		t.Skip("it needs a Docker engine")
	}
	eng, err := connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer eng.Close()
	name := "prune-" + strings.ToLower(rand.Text()[:8])
	gone := filepath.Join(t.TempDir(), "gone")
	labels := map[string]string{services.ProjectLabel: name, services.DirLabel: gone}
	snap := map[string]string{services.ProjectLabel: name, services.DirLabel: gone, snapshot.KindLabel: snapshot.KindCopy, snapshot.NameLabel: "monday"}
	for volume, l := range map[string]map[string]string{name + "_data": labels, name + "_copy": snap} {
		if err := eng.CreateVolume(t.Context(), engine.VolumeSpec{Name: volume, Labels: l}); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = eng.RemoveVolume(t.Context(), volume) }()
	}
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600}); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	changes := []string{"LABEL " + build.FingerprintLabel + "=f", "LABEL " + services.ProjectLabel + "=" + name}
	if _, err := eng.ImportImage(t.Context(), name+":latest", changes, &layer); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = eng.RemoveImage(t.Context(), name+":latest") }()

	reg := &instance.Registry{Root: t.TempDir()}
	f, err := diskFacts(t.Context(), eng, reg, time.Now().Add(time.Hour)) // the image is old enough
	if err != nil {
		t.Fatal(err)
	}
	items, _ := disk.Plan(f, disk.Options{All: true, Volumes: true, Snapshots: true})
	removed := map[disk.Kind]int{}
	for _, x := range items {
		if x.Instance != name {
			continue
		}
		removed[x.Kind]++
		if err := removeItem(t.Context(), eng, reg, x); err != nil {
			t.Error(err)
		}
	}
	if removed[disk.KindImage] != 1 || removed[disk.KindVolume] != 1 || removed[disk.KindSnapshot] != 1 {
		t.Errorf("the plan has %v", removed)
	}
	left, err := eng.ListVolumes(t.Context(), map[string]string{services.ProjectLabel: name})
	if _, imageErr := eng.InspectImage(t.Context(), name+":latest"); err != nil || len(left) != 0 || !engine.IsNotFound(imageErr) {
		t.Errorf("left are %v (%v), the image: %v", left, err, imageErr)
	}
}
