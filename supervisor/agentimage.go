package supervisor

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

// agentRepository is where the images of agents and sandboxes are: one image a binary, of nothing but the binary.
const agentRepository = "lyandev/agent"

// agentImage finds the image made from the running binary, or makes it, and removes those of older binaries. The hash
// identifies the binary.
func (f *fabric) agentImage(ctx context.Context) (ref, hash string, err error) {
	file, err := os.Open(f.s.cfg.Binary)
	if err != nil {
		return "", "", fmt.Errorf("cannot make the agent's image: %w", err)
	}
	defer file.Close()
	if err := checkStatic(file); err != nil {
		return "", "", err
	}
	f.imaging.Lock()
	defer f.imaging.Unlock()
	if hash, err = f.hashOf(file); err != nil {
		return "", "", fmt.Errorf("cannot make the agent's image: %w", err)
	}
	ref = agentRepository + ":" + hash
	eng := f.s.cfg.Engine
	if _, err := eng.InspectImage(ctx, ref); err == nil {
		return ref, hash, nil
	} else if !engine.IsNotFound(err) {
		return "", "", err
	}
	r, w := io.Pipe()
	go func() { _ = w.CloseWithError(writeBinary(w, file)) }()
	changes := []string{`ENTRYPOINT ["/lyandev"]`, "LABEL " + agentHashLabel + "=" + hash}
	if _, err := eng.ImportImage(ctx, ref, changes, r); err != nil {
		return "", "", err
	}
	f.s.background.Go(func() { f.removeOldImages(f.s.life, ref) })
	return ref, hash, nil
}

// hashOf identifies the binary. It is read once: some 50 MB, asked for by every pod that has a sandbox. f.imaging is held.
func (f *fabric) hashOf(file *os.File) (string, error) {
	if f.binaryHash != "" {
		return f.binaryHash, nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return "", err
	}
	f.binaryHash = hex.EncodeToString(h.Sum(nil))[:12]
	return f.binaryHash, nil
}

// checkStatic refuses a binary that would not start in an image of nothing else.
func checkStatic(file *os.File) error {
	f, err := elf.NewFile(file)
	if err != nil {
		return fmt.Errorf("cannot make the agent's image: %s is not a Linux binary; name one with LYANDEV_AGENT_BINARY", file.Name())
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("cannot make the agent's image: %s is not statically linked; build it with `make build`", file.Name())
		}
	}
	_, err = file.Seek(0, io.SeekStart)
	return err
}

func writeBinary(w io.Writer, file *os.File) error {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return err
	}
	t := tar.NewWriter(w)
	for _, dir := range []string{"tmp/", "var/", "var/lib/", "var/lib/lyandev-agent/", "etc/", "proc/", "sys/", "dev/"} {
		mode := int64(0o755)
		if dir == "tmp/" {
			mode = 0o1777
		}
		if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: mode, ModTime: time.Unix(0, 0)}); err != nil {
			return err
		}
	}
	if err := t.WriteHeader(&tar.Header{Name: "lyandev", Mode: 0o755, Size: info.Size(), ModTime: time.Unix(0, 0)}); err != nil {
		return err
	}
	if _, err := io.Copy(t, file); err != nil {
		return err
	}
	return t.Close()
}

// removeOldImages removes images of other binaries; those that a stack still uses stay (the engine refuses). An engine that
// cannot ask one container (paused in the middle of something) keeps it waiting, so nothing waits for it.
func (f *fabric) removeOldImages(ctx context.Context, keep string) {
	list, err := f.s.cfg.Engine.ListImages(ctx, map[string]string{agentHashLabel: ""})
	if err != nil {
		return // old images cost disk only; the next version tries again
	}
	for _, i := range list {
		for _, tag := range i.Tags {
			if tag != keep {
				_ = f.s.cfg.Engine.RemoveImage(ctx, tag)
			}
		}
	}
}
