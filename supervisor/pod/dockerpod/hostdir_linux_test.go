package dockerpod

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/lyandev/lyandev/supervisor/pod"
)

// TestHostDir: owner, mode and files of a volume that this process can reach are those that an archive would give it, and a link in the
// volume does not lead out of it.
func TestHostDir(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may give files away")
	}
	dir, outside := t.TempDir(), t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	d := hostDir{root: root, name: "v"}
	defer d.close()
	if _, empty, err := d.look(t.Context()); err != nil || !empty {
		t.Fatalf("empty %v, %v", empty, err)
	}
	group := int64(2000)
	if err := d.setMode(t.Context(), 5, 2000, 0o2777); err != nil {
		t.Fatal(err)
	}
	if err := d.write(t.Context(), pod.Files{"a": {Data: []byte("old"), Mode: 0o600}}, &group); err != nil {
		t.Fatal(err)
	}
	if err := d.write(t.Context(), pod.Files{"a": {Data: []byte("new"), Mode: 0o400}, "deep/er/b": {Data: []byte("b"), Mode: 0o644}}, &group); err != nil {
		t.Fatal(err)
	}
	if head, empty, err := d.look(t.Context()); err != nil || empty || head.Uid != 5 || head.Gid != 2000 || head.Mode != 0o2777 {
		t.Errorf("root %+v, empty %v, %v", head, empty, err)
	}
	for name, want := range map[string]struct {
		mode os.FileMode
		text string
	}{"a": {0o440, "new"}, "deep/er/b": {0o644, "b"}, "deep": {os.ModeDir | 0o755, ""}, "deep/er": {os.ModeDir | 0o755, ""}} {
		info, err := os.Lstat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		st := info.Sys().(*syscall.Stat_t)
		if info.Mode() != want.mode || st.Uid != 0 || st.Gid != 2000 {
			t.Errorf("%s has mode %s, owner %d:%d; want %s, 0:2000", name, info.Mode(), st.Uid, st.Gid, want.mode)
		}
		if text, _ := os.ReadFile(filepath.Join(dir, name)); string(text) != want.text {
			t.Errorf("%s has %q, want %q", name, text, want.text)
		}
	}

	if err := os.Symlink(outside, filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	if err := d.write(t.Context(), pod.Files{"out/x": {Data: []byte("x")}}, nil); err == nil {
		t.Error("it writes through a link that leads out of the volume")
	}
	if done, err := d.own(3000); !done || err != nil {
		t.Errorf("give to a group: %v, %v", done, err)
	}
	if info, _ := os.Stat(outside); info.Sys().(*syscall.Stat_t).Gid == 3000 {
		t.Error("it changes the target of a link")
	}
	if info, _ := os.Stat(filepath.Join(dir, "a")); info.Sys().(*syscall.Stat_t).Gid != 3000 || info.Mode() != 0o660 {
		t.Errorf("a has mode %s", info.Mode())
	}
}
