package fsgroup

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// other is a group that this process may give files to, and has not as its own.
func other(t *testing.T) int {
	t.Helper()
	if os.Getuid() == 0 {
		return 4711
	}
	groups, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		if g != os.Getgid() {
			return g
		}
	}
	return os.Getgid() // all that is left to check is the modes
}

// tree is a volume as a plain container leaves it, and a file beside it.
func tree(t *testing.T) (volume, outside string) {
	t.Helper()
	base := t.TempDir()
	volume, outside = filepath.Join(base, "volume"), filepath.Join(base, "outside")
	for dir, mode := range map[string]fs.FileMode{"": 0o755, "sub": 0o700, "sub/deep": 0o1555} {
		path := filepath.Join(volume, dir)
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
		defer chmod(t, path, mode)
	}
	for file, mode := range map[string]fs.FileMode{
		"volume/a": 0o600, "volume/sub/script": 0o755, "volume/sub/deep/suid": 0o755 | fs.ModeSetuid, "volume/sub/none": 0, "outside": 0o600,
	} {
		path := filepath.Join(base, file)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		chmod(t, path, mode)
	}
	if err := os.Symlink(outside, filepath.Join(volume, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(base, filepath.Join(volume, "up")); err != nil {
		t.Fatal(err)
	}
	return volume, outside
}

func chmod(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if mode&0o1000 != 0 {
		mode = mode&^0o1000 | fs.ModeSticky
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// look is the group and the mode of a file, in the form of ls.
func look(t *testing.T, path string) (int, string) {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	gid, _ := groupOf(info)
	return gid, info.Mode().String()
}

func TestApply(t *testing.T) {
	volume, outside := tree(t)
	group := other(t)
	uid := os.Getuid()
	ownGID, outsideMode := look(t, outside)
	if err := Main([]string{fmt.Sprint(group), volume}); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	_ = filepath.WalkDir(volume, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			t.Fatal(err)
		}
		gid, mode := look(t, path)
		name, _ := filepath.Rel(volume, path)
		got[name] = mode
		if gid != group {
			t.Errorf("%s has group %d, not %d", name, gid, group)
		}
		if info, _ := os.Lstat(path); int(info.Sys().(*syscall.Stat_t).Uid) != uid {
			t.Errorf("%s has another owner", name)
		}
		return nil
	})
	want := map[string]string{
		".": "dgrwxrwxr-x", "a": "-rw-rw----", "sub": "dgrwxrwx---", "sub/deep": "dgtrwxrwxr-x", "sub/none": "-rw-rw----",
		"sub/script": "-rwxrwxr-x", "sub/deep/suid": "urwxrwxr-x", "link": "Lrwxrwxrwx", "up": "Lrwxrwxrwx",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if gid, mode := look(t, outside); gid != ownGID || mode != outsideMode {
		t.Errorf("a file outside that a link leads to became %d %s", gid, mode)
	}
}

// TestApplyLeavesWhatIsRight: a second pass changes nothing, not even times of change.
func TestApplyLeavesWhatIsRight(t *testing.T) {
	volume, _ := tree(t)
	group := other(t)
	changes := func() map[string]syscall.Timespec {
		out := map[string]syscall.Timespec{}
		_ = filepath.WalkDir(volume, func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				t.Fatal(err)
			}
			info, _ := e.Info()
			out[path] = info.Sys().(*syscall.Stat_t).Ctim
			return nil
		})
		return out
	}
	if err := Apply(volume, group); err != nil {
		t.Fatal(err)
	}
	before := changes()
	if err := Apply(volume, group); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(before, changes()); d != "" {
		t.Error(d)
	}
}

func TestMatches(t *testing.T) {
	tests := []struct {
		name string
		gid  int
		mode int64
		want bool
	}{
		{"right", 7, 0o2770, true},
		{"more than needed", 7, 0o3777, true},
		{"another group", 0, 0o2770, false},
		{"no setgid", 7, 0o777, false},
		{"the group may not write", 7, 0o2755, false},
		{"the owner may not search", 7, 0o2670, false},
		{"type bits beside the mode", 7, 0o42770, true},
	}
	for _, tt := range tests {
		if got := Matches(tt.gid, tt.mode, 7); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// TestMatchesAfterApply: what Apply leaves is what OnRootMismatch leaves alone.
func TestMatchesAfterApply(t *testing.T) {
	volume, _ := tree(t)
	group := other(t)
	match := func() bool {
		info, err := os.Stat(volume)
		if err != nil {
			t.Fatal(err)
		}
		st := info.Sys().(*syscall.Stat_t)
		return Matches(int(st.Gid), int64(st.Mode), int64(group))
	}
	if match() {
		t.Error("matches before")
	}
	if err := Apply(volume, group); err != nil {
		t.Fatal(err)
	}
	if !match() {
		t.Error("does not match after")
	}
}

func TestMainRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "needs a group and directories"},
		{[]string{"7"}, "needs a group and directories"},
		{[]string{"staff", "/x"}, `"staff" is not the number of a group`},
		{[]string{"-1", "/x"}, `"-1" is not the number of a group`},
		{[]string{"7", "/no/such/volume"}, "cannot give /no/such/volume to group 7"},
		{[]string{"7", file}, "it is not a directory"},
	} {
		if err := Main(tt.args); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v", tt.args, err)
		}
	}
}
