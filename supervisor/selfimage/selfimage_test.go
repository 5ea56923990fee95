package selfimage

import (
	"archive/tar"
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
)

// program writes a Linux binary of nothing but headers; dynamic ones name an interpreter.
func program(t *testing.T, dynamic bool, rest string) string {
	t.Helper()
	h := elf.Header64{
		Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT), Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1,
		Shentsize: 64,
	}
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS], h.Ident[elf.EI_DATA], h.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)
	p := elf.Prog64{Type: uint32(elf.PT_LOAD)}
	if dynamic {
		p.Type = uint32(elf.PT_INTERP)
	}
	var b bytes.Buffer
	for _, part := range []any{h, p, []byte(rest)} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "lyandev")
	if err := os.WriteFile(path, b.Bytes(), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// recorder notes what is imported.
type recorder struct {
	*enginefake.Engine
	mu      sync.Mutex
	imports int
	changes []string
	tar     []byte
}

func (r *recorder) ImportImage(ctx context.Context, ref string, changes []string, in io.Reader) (string, error) {
	b, err := io.ReadAll(in)
	if err != nil {
		return "", err
	}
	r.mu.Lock()
	r.imports, r.changes, r.tar = r.imports+1, changes, b
	r.mu.Unlock()
	return r.Engine.ImportImage(ctx, ref, changes, bytes.NewReader(b))
}

// TestEnsure makes the image once, however many ask for it, and removes those of other binaries.
func TestEnsure(t *testing.T) {
	eng := &recorder{Engine: enginefake.New()}
	eng.AddImage(Repository+":old", enginefake.Image{Image: engine.Image{Labels: map[string]string{HashLabel: "old"}}})
	eng.AddImage("somebody:else", enginefake.Image{})
	path := program(t, false, "text")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	i := New(eng, path)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if ref, hash, err := i.Ensure(t.Context()); err != nil || ref != Repository+":"+hash || len(hash) != 12 {
				t.Errorf("%s, %s, %v", ref, hash, err)
			}
		})
	}
	all.Wait()
	i.removals.Wait()
	i.Close()
	if eng.imports != 1 {
		t.Errorf("%d imports", eng.imports)
	}
	if want := []string{`ENTRYPOINT ["/lyandev"]`, "LABEL " + HashLabel + "=" + i.binary.hash}; !slices.Equal(eng.changes, want) {
		t.Errorf("changes %q, want %q", eng.changes, want)
	}
	files := map[string]int64{}
	for r := tar.NewReader(bytes.NewReader(eng.tar)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		files[h.Name] = h.Mode
		if h.Name != "lyandev" {
			continue
		}
		if b, err := io.ReadAll(r); err != nil || !bytes.Equal(b, content) {
			t.Errorf("the binary in the image is another one (%v)", err)
		}
	}
	for name, mode := range map[string]int64{"lyandev": 0o755, "tmp/": 0o1777, "var/lib/lyandev-agent/": 0o755, "proc/": 0o755} {
		if files[name] != mode {
			t.Errorf("%s has mode %o, want %o", name, files[name], mode)
		}
	}
	var left []string
	list, err := eng.ListImages(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, image := range list {
		left = append(left, image.Tags...)
	}
	slices.Sort(left)
	if want := []string{Repository + ":" + i.binary.hash, "somebody:else"}; !slices.Equal(left, want) {
		t.Errorf("images %q, want %q", left, want)
	}
}

// TestCloseEndsRemovals: an engine that never answers does not hold the end.
func TestCloseEndsRemovals(t *testing.T) {
	eng := enginefake.New()
	eng.Inject(func(f *enginefake.Faults) { f.ListImages = enginefake.Hang })
	i := New(eng, program(t, false, ""))
	if _, _, err := i.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	i.Close()
}

func TestBinariesThatCannotBeUsed(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		program(t, true, ""): "not statically linked", text: "not a Linux binary", text + "-not-there": "no such file",
	} {
		if _, err := NewBinary(path).Hash(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
		if err := Check(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is checked: %v, want %q", path, err, want)
		}
		if _, _, err := New(enginefake.New(), path).Ensure(t.Context()); err == nil {
			t.Errorf("%s: an image is made", path)
		}
	}
}

func TestCheckAcceptsAStaticBinary(t *testing.T) {
	if err := Check(program(t, false, "")); err != nil {
		t.Error(err)
	}
}

// TestImportWithArguments is how the reaper's image is made.
func TestImportWithArguments(t *testing.T) {
	eng := &recorder{Engine: enginefake.New()}
	b := NewBinary(program(t, false, "x"))
	if err := b.Import(t.Context(), eng, "ryuk:1", "label", "reaper"); err != nil {
		t.Fatal(err)
	}
	if want := []string{`ENTRYPOINT ["/lyandev", "reaper"]`, fmt.Sprintf("LABEL label=%s", b.hash)}; !slices.Equal(eng.changes, want) {
		t.Errorf("changes %q, want %q", eng.changes, want)
	}
}

// TestBuildID: a binary of Go's linker is identified by its build ID, so that it need not be read.
func TestBuildID(t *testing.T) {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if id := buildID(file); len(id) < 40 {
		t.Errorf("this test's build ID is %q", id)
	}
	if at, _ := file.Seek(0, io.SeekCurrent); at != 0 {
		t.Errorf("the file is left at %d", at)
	}
	other, err := os.Open(program(t, false, "text"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if id := buildID(other); id != nil {
		t.Errorf("a binary without one has the build ID %q", id)
	}
}
