package snapshot

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lyandev/lyandev/supervisor/engine"
)

func TestSeed(t *testing.T) {
	src, snap := volume(t), t.TempDir()
	write(t, src, "redis.conf", "port 1\nreplicaof other 6379\n")
	write(t, src, "master.info", "10.0.0.1")
	if err := os.Chmod(src, 0o751); err != nil {
		t.Fatal(err)
	}
	if _, err := Copy(t.Context(), src, snap); err != nil {
		t.Fatal(err)
	}
	sealed, err := Seal(t.Context(), snap)
	if err != nil {
		t.Fatal(err)
	}
	kept := tree(t, snap)

	dst := t.TempDir()
	if done, err := seed(t.Context(), snap, dst, sealed.Sum, false, false); err != nil || done.Bytes != sealed.Bytes {
		t.Fatalf("seed = %+v, %v", done, err)
	}
	same(t, tree(t, dst), tree(t, src))
	if info, err := os.Stat(dst); err != nil || info.Mode().Perm() != 0o751 {
		t.Errorf("mode of the root: %v %v", info, err)
	}
	if _, err := seed(t.Context(), snap, dst, sealed.Sum, false, false); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("a volume in use is filled: %v", err)
	}
	lead := t.TempDir()
	if _, err := seed(t.Context(), snap, lead, sealed.Sum, true, false); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(lead, "redis.conf")); err != nil || string(b) != "port 1\n" {
		t.Errorf("a server that is to lead has %q, %v", b, err)
	}
	slave := t.TempDir()
	if _, err := seed(t.Context(), snap, slave, sealed.Sum, false, true); err != nil {
		t.Fatal(err)
	}
	forgotten := tree(t, src)
	delete(forgotten, "master.info")
	same(t, tree(t, slave), forgotten)
	same(t, tree(t, snap), kept)
	if _, err := seed(t.Context(), snap, t.TempDir(), "00000000", false, false); err == nil {
		t.Error("a copy with another list is used")
	}
	write(t, snap, "data/mysql/user.frm", "w")
	if _, err := seed(t.Context(), snap, t.TempDir(), sealed.Sum, false, false); err == nil || !strings.Contains(err.Error(), "is corrupt") {
		t.Errorf("a copy that has changed is used: %v", err)
	}
}

func TestPreparedNames(t *testing.T) {
	var vols []engine.Volume
	for name, labels := range map[string]map[string]string{
		"p_snap_a":   {NameLabel: "a", preparedLabel: "ha"},
		"p_snap_a_x": {NameLabel: "a", preparedLabel: "ha"},
		"p_snap_b_x": {NameLabel: "b", preparedLabel: "ha"}, // never was whole
		"p_snap_c":   {NameLabel: "c", preparedLabel: "minimal"},
		"p_snap_d":   {NameLabel: "d"}, // somebody's own
		"p_data":     {},
	} {
		vols = append(vols, engine.Volume{Name: name, Labels: labels})
	}
	got := preparedNames(vols, "ha")
	slices.Sort(got)
	if !slices.Equal(got, []string{"a", "b"}) || len(preparedNames(vols, "")) != 0 {
		t.Errorf("prepared for ha are %v, for the default %v", got, preparedNames(vols, ""))
	}
}
