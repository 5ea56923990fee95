package composepod

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/docker/docker/api/types/container"

	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
)

// fileMode is the mode of configs and secrets that say none.
const fileMode = 0o444

// files writes the configs and secrets with content of their own into the created container.
func (w *Worker) files(ctx context.Context, id string) error {
	if w.want.Host.ReadonlyRootfs {
		return nil // they are mounted; see readOnlyFiles
	}
	list, err := w.contents()
	if err != nil {
		return err
	}
	for _, f := range list {
		if err := w.deps.Engine.CopyTo(ctx, id, "/", bytes.NewReader(archive(f.File, f.data))); err != nil {
			return fmt.Errorf("cannot write %s into container %s: %w", f.Target, w.container(), err)
		}
	}
	return nil
}

// filled is a config or secret with its content.
type filled struct {
	compose.File
	data []byte
}

// contents are the configs and secrets with content of their own, and with use_api_socket the host's credentials for registries.
func (w *Worker) contents() ([]filled, error) {
	var out []filled
	for _, f := range w.want.Files {
		data, err := w.content(f)
		if err != nil {
			return nil, err
		}
		out = append(out, filled{f, data})
	}
	if !w.want.Credentials {
		return out, nil
	}
	read := w.deps.Credentials
	if read == nil {
		read = engine.Credentials
	}
	data, err := read()
	if err != nil {
		return nil, fmt.Errorf("cannot write the credentials of use_api_socket into container %s: %w", w.container(), err)
	}
	return append(out, filled{compose.File{Target: compose.CredentialsFile}, data}), nil
}

// content is the content of a config or secret.
func (w *Worker) content(f compose.File) ([]byte, error) {
	if f.Secret {
		if s, ok := w.deps.Objects.Secret(f.Object); ok {
			return s.Data[f.Key], nil
		}
	} else if m, ok := w.deps.Objects.ConfigMap(f.Object); ok {
		if b, binary := m.BinaryData[f.Key]; binary {
			return b, nil
		}
		return []byte(m.Data[f.Key]), nil
	}
	return nil, fmt.Errorf("cannot write %s into container %s: the stack has no config or secret %s", f.Target, w.container(), f.Object)
}

func mode(f compose.File) int64 {
	if f.Mode == 0 {
		return fileMode
	}
	return f.Mode
}

// archive is a tar with one file and the directories above it that may be missing.
func archive(f compose.File, data []byte) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	name := strings.TrimPrefix(path.Clean(f.Target), "/")
	_ = w.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: name, Mode: mode(f), Size: int64(len(data)), Uid: f.UID, Gid: f.GID,
	})
	_, _ = w.Write(data)
	_ = w.Close()
	return b.Bytes()
}

// readOnlyFiles bind-mounts the configs and secrets of a container with a read-only root, which Docker cannot copy into. Docker
// Compose fails there.
func (w *Worker) readOnlyFiles(h *container.HostConfig) error {
	if !h.ReadonlyRootfs {
		return nil
	}
	list, err := w.contents()
	if err != nil {
		return err
	}
	h.Binds = append([]string(nil), h.Binds...)
	for _, f := range list {
		at, err := w.hostFile(f.File, f.data)
		if err != nil {
			return err
		}
		h.Binds = append(h.Binds, at+":"+f.Target+":ro")
	}
	return nil
}

// hostFile writes a config or secret below FileDir, and returns its path, which depends on the content.
func (w *Worker) hostFile(f compose.File, data []byte) (string, error) {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%d\x00%d\x00%s", f.Target, f.UID, f.GID, mode(f), data))
	at := filepath.Join(w.deps.FileDir, hex.EncodeToString(sum[:12]))
	if _, err := os.Stat(at); err == nil {
		return at, nil
	}
	err := os.MkdirAll(w.deps.FileDir, 0o700)
	if err == nil {
		err = os.WriteFile(at+".new", data, 0o600)
	}
	if err == nil && f.UID+f.GID > 0 {
		err = os.Chown(at+".new", f.UID, f.GID)
	}
	if err == nil {
		err = os.Chmod(at+".new", os.FileMode(mode(f)))
	}
	if err == nil {
		err = os.Rename(at+".new", at)
	}
	if err != nil {
		return "", fmt.Errorf("cannot write %s for container %s: %w", f.Target, w.container(), err)
	}
	return at, nil
}
