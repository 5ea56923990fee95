package dockerpod

import (
	"archive/tar"
	"bytes"
	"context"
	"path"

	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/pod/fsgroup"
)

// volumeDir is the root directory of a volume that is mounted in a created container.
type volumeDir interface {
	// look returns the owner and mode of the directory, as a tar header has them, and whether nothing is in it.
	look(ctx context.Context) (root *tar.Header, empty bool, err error)
	// setMode sets the owner and mode of the directory; the mode's bits are those of a tar header.
	setMode(ctx context.Context, uid, gid int, mode int64) error
	// write writes files below the directory. With a group they are group-owned and group-readable (R154).
	write(ctx context.Context, files pod.Files, group *int64) error
	// own gives all that is in the directory to a group, see fsgroup.Apply. done is false if only a helper container can.
	own(group int) (done bool, err error)
	close()
}

// volumeDir returns the directory of a volume that a created container mounts at target. The caller closes it.
func (r *Runtime) volumeDir(ctx context.Context, id, volume, target string) volumeDir {
	if d := r.hostDir(ctx, volume); d != nil {
		return d
	}
	return containerDir{eng: r.cfg.Engine, id: id, target: target}
}

// containerDir reaches the directory through the container. Each look and each change is an archive that the engine packs or unpacks in
// a process of its own, which takes it more than 0.1 s of a processor.
type containerDir struct {
	eng        engine.Engine
	id, target string
}

func (d containerDir) look(ctx context.Context) (root *tar.Header, empty bool, err error) {
	return peek(ctx, d.eng, d.id, d.target)
}

// setMode implements volumeDir: an archive that is unpacked over the directory carries owner and mode. It goes into the parent, since
// Docker ignores an archive's "./" (20.10).
func (d containerDir) setMode(ctx context.Context, uid, gid int, mode int64) error {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	_ = w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: path.Base(d.target) + "/", Mode: mode, Uid: uid, Gid: gid})
	_ = w.Close()
	return d.eng.CopyTo(ctx, d.id, path.Dir(d.target), &b)
}

func (d containerDir) write(ctx context.Context, files pod.Files, group *int64) error {
	return copyTo(ctx, d.eng, d.id, d.target, archive(files, group))
}

func (containerDir) own(int) (bool, error) { return false, nil }

func (containerDir) close() {}

// newVolume is what Docker makes the root of a new volume that is not filled from an image.
func newVolume() *tar.Header { return &tar.Header{Mode: 0o755} }

// groupMode is the mode of the root of a volume that is given to a group.
func groupMode(mode int64) int64 { return mode&0o7777 | fsgroup.DirMode }
