package reaper

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/lyandev/lyandev/supervisor/engine"
)

// imageLabel is on images made here, with a hash of the binary: it tells ours from the real one, which is never replaced.
const imageLabel = "dev.lyandev.reaper"

// pullLimit bounds the attempt to get the real image.
const pullLimit = 20 * time.Second

// Images is what is asked of the engine's images.
type Images interface {
	InspectImage(ctx context.Context, ref string) (engine.Image, error)
	PullImage(ctx context.Context, ref string, out io.Writer) error
	ImportImage(ctx context.Context, ref string, changes []string, tar io.Reader) (string, error)
}

// EnsureImage makes sure that there is a reaper's image of the name that testcontainers asks for: the real one where it is
// there or can be pulled, else one made of nothing but the static binary. It reports whether it is ours.
func EnsureImage(ctx context.Context, eng Images, ref, binary string) (ours bool, err error) {
	have, err := eng.InspectImage(ctx, ref)
	switch {
	case err == nil && have.Labels[imageLabel] == "":
		return false, nil
	case err != nil && !engine.IsNotFound(err):
		return false, err
	case err != nil:
		pull, cancel := context.WithTimeout(ctx, pullLimit)
		defer cancel()
		if eng.PullImage(pull, ref, nil) == nil {
			return false, nil
		}
	}
	file, err := os.Open(binary)
	if err != nil {
		return true, fmt.Errorf("cannot make the reaper's image: %w", err)
	}
	defer file.Close()
	size, sum, err := examine(file)
	if err != nil {
		return true, err
	}
	if have.Labels[imageLabel] == sum {
		return true, nil
	}
	r, w := io.Pipe()
	go func() { _ = w.CloseWithError(writeRoot(w, file, size)) }()
	changes := []string{`ENTRYPOINT ["/lyandev", "` + Command + `"]`, "LABEL " + imageLabel + "=" + sum}
	_, err = eng.ImportImage(ctx, ref, changes, r)
	_ = r.Close()
	return true, err
}

// examine refuses a binary that would not start in an image of nothing else, and gives its size and a hash.
func examine(file *os.File) (size int64, sum string, err error) {
	f, err := elf.NewFile(file)
	if err != nil {
		return 0, "", fmt.Errorf("cannot make the reaper's image: %s is not a Linux binary; name one with LYANDEV_AGENT_BINARY", file.Name())
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return 0, "", fmt.Errorf("cannot make the reaper's image: %s is not statically linked; build it with CGO_ENABLED=0", file.Name())
		}
	}
	if _, err = file.Seek(0, io.SeekStart); err == nil {
		h := sha256.New()
		if size, err = io.Copy(h, file); err == nil {
			sum = hex.EncodeToString(h.Sum(nil))[:12]
			_, err = file.Seek(0, io.SeekStart)
		}
	}
	if err != nil {
		return 0, "", fmt.Errorf("cannot make the reaper's image: %w", err)
	}
	return size, sum, nil
}

func writeRoot(w io.Writer, file io.Reader, size int64) error {
	t := tar.NewWriter(w)
	for _, dir := range []string{"tmp/", "var/", "var/run/", "etc/", "proc/", "sys/", "dev/"} {
		if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755, ModTime: time.Unix(0, 0)}); err != nil {
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
