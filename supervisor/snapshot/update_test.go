package snapshot

import (
	"bytes"
	"context"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// both copies src to dst once more and checks that they are equal.
func both(t *testing.T, src, dst string) Copied {
	t.Helper()
	done, err := Copy(t.Context(), src, dst)
	if err != nil {
		t.Fatal(err)
	}
	same(t, tree(t, filepath.Join(dst, partDir)), tree(t, src))
	return done
}

func TestLargeFilesAreCopiedInPieces(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	big := filepath.Join(src, "big")
	content := make([]byte, 2*piece+12345)
	_, _ = rand.New(rand.NewSource(1)).Read(content)
	at := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	put := func() {
		t.Helper()
		if err := os.WriteFile(big, content, 0o640); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(big, at, at); err != nil {
			t.Fatal(err)
		}
	}
	put()
	both(t, src, dst)
	content[piece+1]++
	content = append(content, "more"...)
	put()
	both(t, src, dst)
	content = content[:piece+7]
	put()
	both(t, src, dst)
	if info, err := os.Stat(filepath.Join(dst, partDir, "big")); err != nil || !info.ModTime().Equal(at) || info.Mode().Perm() != 0o640 {
		t.Errorf("the copy is %v, %v", info, err)
	}
	if _, err := Seal(t.Context(), dst); err != nil {
		t.Fatal(err)
	}
	restored := t.TempDir()
	if _, err := Fill(t.Context(), dst, restored, "", false); err != nil {
		t.Fatal(err)
	}
	if err := Swap(restored); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(restored, "big")); err != nil || !bytes.Equal(b, content) {
		t.Errorf("restored %d bytes, %v", len(b), err)
	}
}

// The second pass leaves what is right in place: the copy stays the same file.
func TestAChangedFileIsUpdatedInPlace(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	write(t, src, "f", strings.Repeat("x", 5*block))
	if done := both(t, src, dst); done.Written != 5*block {
		t.Errorf("the first pass: %+v", done)
	}
	before, err := os.Stat(filepath.Join(dst, partDir, "f"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, src, "f", strings.Repeat("x", 3*block)+"y"+strings.Repeat("x", 3*block))
	if done := both(t, src, dst); done.Written != 2*block+1 {
		t.Errorf("%d bytes were written, want those that differ: %+v", done.Written, done)
	}
	after, err := os.Stat(filepath.Join(dst, partDir, "f"))
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("the copy was made again: %v", err)
	}
}

func TestKindsChange(t *testing.T) {
	src, dst := volume(t), t.TempDir()
	both(t, src, dst)
	for _, f := range []string{"ibdata1", "mysql", "link"} {
		if err := os.RemoveAll(filepath.Join(src, f)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, src, "ibdata1/inner", "now a directory")
	write(t, src, "link", "now a file")
	if err := os.Symlink("empty", filepath.Join(src, "mysql")); err != nil {
		t.Fatal(err)
	}
	both(t, src, dst)
}

func TestHardLinksStay(t *testing.T) {
	src, snap, dst := t.TempDir(), t.TempDir(), t.TempDir()
	linked := func(root, a, b string) bool {
		x, err := os.Stat(filepath.Join(root, a))
		if err != nil {
			t.Fatal(err)
		}
		y, err := os.Stat(filepath.Join(root, b))
		if err != nil {
			t.Fatal(err)
		}
		return os.SameFile(x, y)
	}
	write(t, src, "b", "two names")
	write(t, src, "c", "one name")
	if err := os.Link(filepath.Join(src, "b"), filepath.Join(src, "a")); err != nil {
		t.Fatal(err)
	}
	both(t, src, snap)
	if !linked(filepath.Join(snap, partDir), "a", "b") {
		t.Error("the copy has two files")
	}
	// The link is replaced by a file of its own, and another name is given one.
	if err := os.Remove(filepath.Join(src, "a")); err != nil {
		t.Fatal(err)
	}
	write(t, src, "a", "on its own")
	if err := os.Remove(filepath.Join(src, "c")); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(src, "b"), filepath.Join(src, "c")); err != nil {
		t.Fatal(err)
	}
	both(t, src, snap)
	if _, err := Seal(t.Context(), snap); err != nil {
		t.Fatal(err)
	}
	if _, err := seed(t.Context(), snap, dst, "", false, false); err != nil {
		t.Fatal(err)
	}
	same(t, tree(t, dst), tree(t, src))
	if !linked(dst, "b", "c") || linked(dst, "a", "b") {
		t.Error("the restored volume has other links")
	}
}

// A symbolic link of a volume leads nowhere out of it.
func TestNothingIsWrittenOutsideTheVolume(t *testing.T) {
	src, snap, dst, outside := volume(t), t.TempDir(), t.TempDir(), t.TempDir()
	both(t, src, snap)
	if _, err := Seal(t.Context(), snap); err != nil {
		t.Fatal(err)
	}
	if _, err := Fill(t.Context(), snap, dst, "", false); err != nil {
		t.Fatal(err)
	}
	write(t, dst, "old", "precious")
	if err := os.Symlink(outside, filepath.Join(dst, oldDir)); err != nil {
		t.Fatal(err)
	}
	if err := Swap(dst); err == nil {
		t.Error("the old content was moved through a link that leads out of the volume")
	}
	same(t, tree(t, outside), map[string]string{})
}

// A service writes all the time: two files always get the same new number, the first file first, and a log grows. The passes
// meanwhile fail in nothing, and the last pass, with the service paused, is exactly what is in the files then.
func TestLastPassIsOneMoment(t *testing.T) {
	src, dst := volume(t), t.TempDir()
	var paused sync.Mutex
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for n := 0; ctx.Err() == nil; n++ {
			paused.Lock()
			page := bytes.Repeat([]byte{byte(n)}, 64<<10)
			for _, name := range []string{"first", "second"} {
				f, err := os.OpenFile(filepath.Join(src, name), os.O_CREATE|os.O_RDWR, 0o600)
				if err == nil {
					_, err = f.WriteAt(page, int64(n%40)<<16)
				}
				if err != nil {
					t.Error(err)
				}
				_ = f.Close()
			}
			_ = os.Rename(filepath.Join(src, "temp"), filepath.Join(src, "renamed"))
			_ = os.WriteFile(filepath.Join(src, "temp"), page[:n%1000], 0o600)
			paused.Unlock()
		}
	}()
	for range 8 {
		for range 3 {
			if _, err := Copy(t.Context(), src, dst); err != nil {
				t.Fatal(err)
			}
		}
		paused.Lock()
		both(t, src, dst)
		got := tree(t, filepath.Join(dst, partDir))
		paused.Unlock()
		if got["first"] != got["second"] {
			t.Error("the two files are of different moments")
		}
	}
	cancel()
	<-ended
}

func TestCopyEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dst := t.TempDir()
	if _, err := Copy(ctx, volume(t), dst); err == nil {
		t.Error("a cancelled pass was completed")
	}
	if _, err := os.Stat(filepath.Join(dst, manifestFile)); err == nil {
		t.Error("a cancelled copy has a manifest")
	}
}
