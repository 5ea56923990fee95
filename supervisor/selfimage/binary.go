package selfimage

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"sync"
	"time"

	"github.com/lyandev/lyandev/supervisor/engine"
)

// Importer is what Binary needs of the engine.
type Importer interface {
	ImportImage(ctx context.Context, ref string, changes []string, tar io.Reader) (id string, err error)
}

var _ Importer = engine.Images(nil)

// Binary is a static Linux binary that images are made from. Its methods may be called at the same time.
type Binary struct {
	path string

	mu sync.Mutex
	// hash and size are those of the file, "" and 0 until it was read.
	hash string
	size int64
}

// NewBinary is the binary at path. The file is not touched yet.
func NewBinary(path string) *Binary { return &Binary{path: path} }

// Hash identifies the content of the file by 12 hexadecimal digits: of the build ID that Go's linker made of the content and of the size,
// else of all of the file, some 50 MB, which takes 0.1 s. The file is read at the first call only. It is an error if it is not a statically linked Linux binary: nothing else starts in an image that
// holds nothing else.
func (b *Binary) Hash() (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.hash != "" {
		return b.hash, nil
	}
	file, err := os.Open(b.path)
	if err != nil {
		return "", fmt.Errorf("cannot make an image of lyandev: %w", err)
	}
	defer file.Close()
	if err := checkStatic(file); err != nil {
		return "", err
	}
	h, size, err := identify(file)
	if err != nil {
		return "", fmt.Errorf("cannot make an image of lyandev: %w", err)
	}
	b.hash, b.size = hex.EncodeToString(h.Sum(nil))[:12], size
	return b.hash, nil
}

// identify hashes what identifies a binary, and returns its size.
func identify(file *os.File) (hash.Hash, int64, error) {
	h := sha256.New()
	info, err := file.Stat()
	if err != nil {
		return nil, 0, err
	}
	if id := buildID(file); len(id) > 0 {
		h.Write(id)
		fmt.Fprintf(h, " %d", info.Size())
		return h, info.Size(), nil
	}
	size, err := io.Copy(h, file)
	return h, size, err
}

// buildID is the ELF note with the build ID that Go's linker writes, nil if the binary was linked without one. It leaves the file at its
// beginning.
func buildID(file *os.File) []byte {
	defer func() { _, _ = file.Seek(0, io.SeekStart) }()
	f, err := elf.NewFile(file)
	if err != nil {
		return nil
	}
	s := f.Section(".note.go.buildid")
	if s == nil {
		return nil
	}
	note, err := s.Data()
	// Three words with the sizes of name and content and the type, then the name "Go\0\0".
	if err != nil || len(note) < 12 || f.ByteOrder.Uint32(note[4:]) == 0 {
		return nil
	}
	return note
}

// Import makes the image ref of the binary: /lyandev is the entrypoint, with args as its first arguments, and label has the
// binary's hash as its value. It replaces an image of that name.
func (b *Binary) Import(ctx context.Context, eng Importer, ref, label string, args ...string) error {
	hash, err := b.Hash()
	if err != nil {
		return err
	}
	file, err := os.Open(b.path)
	if err != nil {
		return fmt.Errorf("cannot make an image of lyandev: %w", err)
	}
	defer file.Close()
	entrypoint := `ENTRYPOINT ["/lyandev"`
	for _, a := range args {
		entrypoint += fmt.Sprintf(", %q", a)
	}
	r, w := io.Pipe()
	written := make(chan struct{})
	go func() {
		defer close(written)
		_ = w.CloseWithError(writeRoot(w, file, b.size))
	}()
	_, err = eng.ImportImage(ctx, ref, []string{entrypoint + "]", "LABEL " + label + "=" + hash}, r)
	_ = r.Close()
	<-written
	return err
}

// Check returns an error, with what to do, if the file at path is not a statically linked Linux binary. It reads only its headers.
func Check(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("cannot make an image of lyandev: %w", err)
	}
	defer file.Close()
	return checkStatic(file)
}

// checkStatic refuses a binary that would not start in an image of nothing else, and leaves the file at its beginning.
func checkStatic(file *os.File) error {
	f, err := elf.NewFile(file)
	if err != nil {
		return fmt.Errorf("cannot make an image of lyandev: %s is not a Linux binary; name one with LYANDEV_AGENT_BINARY: "+
			"`CGO_ENABLED=0 GOOS=linux go build -o lyandev-linux ./cmd/lyandev` in a clone makes one, and release archives have one", file.Name())
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("cannot make an image of lyandev: %s is not statically linked; install it with "+
				"`CGO_ENABLED=0 go install github.com/lyandev/lyandev/cmd/lyandev@latest`, or build it with `make build`", file.Name())
		}
	}
	_, err = file.Seek(0, io.SeekStart)
	return err
}

// directories are those of the image's root file system besides the binary.
var directories = []string{"tmp/", "var/", "var/lib/", "var/lib/lyandev-agent/", "var/run/", "etc/", "proc/", "sys/", "dev/"}

// writeRoot writes the root file system as tar. Its times are fixed, so that one binary makes one image.
func writeRoot(w io.Writer, file io.Reader, size int64) error {
	t := tar.NewWriter(w)
	for _, dir := range directories {
		mode := int64(0o755)
		if dir == "tmp/" {
			mode = 0o1777
		}
		if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: mode, ModTime: time.Unix(0, 0)}); err != nil {
			return err
		}
	}
	if err := t.WriteHeader(&tar.Header{Name: "lyandev", Mode: 0o755, Size: size, ModTime: time.Unix(0, 0)}); err != nil {
		return err
	}
	if _, err := io.Copy(t, file); err != nil {
		return err
	}
	return t.Close()
}
