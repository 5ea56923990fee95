package snapshot

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// write makes a file of a volume, with its directories.
func write(t *testing.T, root, path, content string) {
	t.Helper()
	full := filepath.Join(root, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(content), 0o640); err != nil {
		t.Fatal(err)
	}
}

func openRoot(t *testing.T, dir string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return root
}

// tree reads a volume as path -> content; directories end in a slash.
func tree(t *testing.T, root string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		switch {
		case d.IsDir():
			out[rel+"/"] = ""
		case d.Type()&fs.ModeSymlink != 0:
			out[rel], err = os.Readlink(path)
		default:
			var b []byte
			b, err = os.ReadFile(path)
			out[rel] = string(b)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func same(t *testing.T, got, want map[string]string) {
	t.Helper()
	for k, v := range want {
		if g, ok := got[k]; !ok || g != v {
			t.Errorf("%s: got %.40q (there: %v), want %.40q", k, g, ok, v)
		}
	}
	for k := range got {
		if _, ok := want[k]; !ok {
			t.Errorf("%s is there and should not be", k)
		}
	}
}

func volume(t *testing.T) string {
	t.Helper()
	v := t.TempDir()
	write(t, v, ".lyandev-identity", "product=mariadb\nid=ab\nversion=11.8\n")
	write(t, v, "ibdata1", strings.Repeat("x", 3*block)+"tail")
	write(t, v, "mysql/user.frm", "u")
	write(t, v, "empty", "")
	write(t, v, "hole", strings.Repeat("\x00", 2*block)+"end")
	if err := os.Symlink("ibdata1", filepath.Join(v, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(v, "mysql"), 0o700); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestCopySealFillSwap(t *testing.T) {
	src, snap, dst := volume(t), t.TempDir(), t.TempDir()
	first, err := Copy(t.Context(), src, snap)
	if err != nil {
		t.Fatal(err)
	}
	if first.Files != 5 || first.ChangedFiles != 5 || first.Product != "mariadb" || first.Version != "11.8" {
		t.Errorf("first pass: %+v", first)
	}
	done, err := Seal(t.Context(), snap)
	if err != nil {
		t.Fatal(err)
	}
	if done.Bytes != first.Bytes || done.Sum == "" || done.Version != "11.8" {
		t.Errorf("sealed: %+v", done)
	}
	write(t, dst, "old", "precious")
	write(t, dst, "mysql/old", "precious")
	if _, err := Fill(t.Context(), snap, dst, done.Sum, false); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dst, "old")); err != nil || string(b) != "precious" {
		t.Errorf("filling touched the old content: %q %v", b, err)
	}
	if err := Swap(dst); err != nil {
		t.Fatal(err)
	}
	same(t, tree(t, dst), tree(t, src))
	if info, err := os.Stat(filepath.Join(dst, "mysql")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode of mysql: %v %v", info, err)
	}
	if err := Swap(dst); err != nil {
		t.Errorf("swapping again: %v", err)
	}
	same(t, tree(t, dst), tree(t, src))
}

func TestSecondPassCopiesWhatChanged(t *testing.T) {
	src, snap := volume(t), t.TempDir()
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(src, "ibdata1"), long, long); err != nil {
		t.Fatal(err)
	}
	if _, err := Copy(t.Context(), src, snap); err != nil {
		t.Fatal(err)
	}
	write(t, src, "new", "n")
	write(t, src, "mysql/user.frm", "v") // small and as long as before
	if err := os.Remove(filepath.Join(src, "empty")); err != nil {
		t.Fatal(err)
	}
	again, err := Copy(t.Context(), src, snap)
	if err != nil {
		t.Fatal(err)
	}
	if again.ChangedBytes >= 3*block {
		t.Errorf("the big file was copied again: %+v", again)
	}
	same(t, tree(t, filepath.Join(snap, partDir)), tree(t, src))
	// A change without a change of time shows if the file was new when it was copied.
	write(t, src, "ibdata1", strings.Repeat("y", 3*block)+"tail")
	third, err := Copy(t.Context(), src, snap)
	if err != nil {
		t.Fatal(err)
	}
	if third.ChangedBytes < 3*block {
		t.Errorf("the big file was not copied again: %+v", third)
	}
	same(t, tree(t, filepath.Join(snap, partDir)), tree(t, src))
}

func TestUnsealedIsNoSnapshot(t *testing.T) {
	src, snap, dst := volume(t), t.TempDir(), t.TempDir()
	if _, err := Copy(t.Context(), src, snap); err != nil {
		t.Fatal(err)
	}
	write(t, dst, "old", "precious")
	if _, err := Fill(t.Context(), snap, dst, "", false); err == nil {
		t.Fatal("an unfinished copy was taken for whole")
	}
	same(t, tree(t, dst), map[string]string{"old": "precious"})
}

func TestFillRefusesAChangedCopy(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, snap string){
		"a bit": func(t *testing.T, snap string) {
			path := filepath.Join(snap, dataDir, "ibdata1")
			b, _ := os.ReadFile(path)
			b[block] ^= 1
			if err := os.WriteFile(path, b, 0o640); err != nil {
				t.Fatal(err)
			}
		},
		"a file":   func(t *testing.T, snap string) { _ = os.Remove(filepath.Join(snap, dataDir, "hole")) },
		"a length": func(t *testing.T, snap string) { _ = os.Truncate(filepath.Join(snap, dataDir, "hole"), 7) },
		"the list": func(t *testing.T, snap string) { write(t, snap, manifestFile, `{"format":1,"entries":[]}`) },
	} {
		t.Run(name, func(t *testing.T) {
			src, snap, dst := volume(t), t.TempDir(), t.TempDir()
			_, err := Copy(t.Context(), src, snap)
			done, sealErr := Seal(t.Context(), snap)
			if err := errors.Join(err, sealErr); err != nil {
				t.Fatal(err)
			}
			spoil(t, snap)
			write(t, dst, "old", "precious")
			if _, err := Fill(t.Context(), snap, dst, done.Sum, false); err == nil {
				t.Fatal("a spoilt copy was restored")
			}
			same(t, tree(t, dst), map[string]string{"old": "precious"})
		})
	}
}

// A swap that is cut off after any of its renames is finished by the next one.
func TestSwapCutOffAnywhere(t *testing.T) {
	src, snap := volume(t), t.TempDir()
	_, err := Copy(t.Context(), src, snap)
	_, sealErr := Seal(t.Context(), snap)
	if err := errors.Join(err, sealErr); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewSource(1))
	for range 60 {
		dst := t.TempDir()
		for _, f := range []string{"old", "a/b", "ibdata1", "mysql/x"} {
			write(t, dst, f, "precious")
		}
		if _, err := Fill(t.Context(), snap, dst, "", false); err != nil {
			t.Fatal(err)
		}
		cutOff(t, dst, r.Intn(12))
		if err := Swap(dst); err != nil {
			t.Fatal(err)
		}
		same(t, tree(t, dst), tree(t, src))
	}
}

// cutOff does the first n steps of a swap by hand, in its order.
func cutOff(t *testing.T, dst string, n int) {
	t.Helper()
	step := func(do func() error) bool {
		if n == 0 {
			return false
		}
		n--
		if err := do(); err != nil {
			t.Fatal(err)
		}
		return true
	}
	move := func(from, to string) bool {
		list, err := os.ReadDir(from)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range list {
			if strings.HasPrefix(d.Name(), ".lyandev-") && d.Name() != ".lyandev-identity" {
				continue
			}
			if !step(func() error { return os.Rename(filepath.Join(from, d.Name()), filepath.Join(to, d.Name())) }) {
				return false
			}
		}
		return true
	}
	_ = step(func() error { return os.Mkdir(filepath.Join(dst, oldDir), 0o700) }) &&
		move(dst, filepath.Join(dst, oldDir)) &&
		step(func() error { return os.Rename(filepath.Join(dst, oldDir), filepath.Join(dst, goneDir)) }) &&
		move(filepath.Join(dst, newDir), dst) &&
		step(func() error { return os.Remove(filepath.Join(dst, newDir)) })
}

func TestEmptying(t *testing.T) {
	dst := t.TempDir()
	write(t, dst, "old", "of another history")
	if _, err := Fill(t.Context(), "", dst, "", false); err != nil {
		t.Fatal(err)
	}
	if err := Swap(dst); err != nil {
		t.Fatal(err)
	}
	same(t, tree(t, dst), map[string]string{})
}

func TestAbandon(t *testing.T) {
	src, snap, dst := volume(t), t.TempDir(), t.TempDir()
	_, err := Copy(t.Context(), src, snap)
	_, sealErr := Seal(t.Context(), snap)
	_, fillErr := Fill(t.Context(), snap, dst, "", false)
	if err := errors.Join(err, sealErr, fillErr); err != nil {
		t.Fatal(err)
	}
	if err := Abandon(dst); err != nil {
		t.Fatal(err)
	}
	same(t, tree(t, dst), map[string]string{})
	if _, err := Fill(t.Context(), snap, dst, "", false); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dst, oldDir), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Abandon(dst); err == nil {
		t.Error("a swap that has begun was given up")
	}
}

func TestLeadTakesTheRoleOut(t *testing.T) {
	src, snap, dst := t.TempDir(), t.TempDir(), t.TempDir()
	write(t, src, "redis.conf", "dir /data\nreplicaof 10.0.0.5 6379\nappendonly yes\n")
	_, err := Copy(t.Context(), src, snap)
	_, sealErr := Seal(t.Context(), snap)
	_, fillErr := Fill(t.Context(), snap, dst, "", true)
	if err := errors.Join(err, sealErr, fillErr, Swap(dst)); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dst, "redis.conf"))
	if err != nil || string(b) != "dir /data\nappendonly yes\n" {
		t.Errorf("redis.conf is %q, %v", b, err)
	}
}

func TestHolesStayHoles(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	from, to := filepath.Join(src, "f"), filepath.Join(dst, "f")
	content := append(bytes.Repeat([]byte{0}, 8*block), []byte("end")...)
	if err := os.WriteFile(from, content, 0o600); err != nil {
		t.Fatal(err)
	}
	e := Entry{Path: "f", Mode: 0o600}
	c := copies{from: openRoot(t, src), to: openRoot(t, dst)}
	c.add(&e, false)
	if err := c.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(to); err != nil || !bytes.Equal(got, content) || e.Size != int64(len(content)) {
		t.Errorf("copied %d bytes, size %d, %v", len(got), e.Size, err)
	}
}
