package dockerpod

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"syscall"

	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/pod/fsgroup"
)

// hostDir reaches the directory of a volume in the file system of this host. Nothing that a container puts into the volume, such as a
// symbolic link, leads out of it.
type hostDir struct {
	root *os.Root
	name string
}

// hostDir returns the directory of a volume, nil if this process cannot reach it.
func (r *Runtime) hostDir(ctx context.Context, volume string) volumeDir {
	if r.cfg.SameHost == nil || !r.cfg.SameHost() {
		return nil
	}
	root := engine.HostVolume(ctx, r.cfg.Engine, volume)
	if root == nil {
		return nil
	}
	return hostDir{root: root, name: volume}
}

func (d hostDir) close() { _ = d.root.Close() }

func (d hostDir) look(context.Context) (root *tar.Header, empty bool, err error) {
	dir, err := d.root.Open(".")
	if err != nil {
		return nil, false, d.failed(err)
	}
	defer dir.Close()
	info, err := dir.Stat()
	if err != nil {
		return nil, false, d.failed(err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil, false, d.failed(errors.New("its owner is unknown"))
	}
	_, err = dir.Readdirnames(1)
	if empty = errors.Is(err, io.EOF); empty {
		err = nil
	}
	return &tar.Header{Uid: int(st.Uid), Gid: int(st.Gid), Mode: int64(st.Mode & 0o7777)}, empty, d.failed(err)
}

func (d hostDir) setMode(_ context.Context, uid, gid int, mode int64) error {
	dir, err := d.root.Open(".")
	if err != nil {
		return d.failed(err)
	}
	defer dir.Close()
	if err := dir.Chown(uid, gid); err != nil {
		return d.failed(err)
	}
	return d.failed(dir.Chmod(fileMode(mode))) // after chown, which takes setgid away
}

// fileMode is a mode of a tar header as the standard library has it.
func fileMode(mode int64) os.FileMode {
	out := os.FileMode(mode & 0o777)
	for bit, flag := range map[int64]os.FileMode{0o4000: os.ModeSetuid, 0o2000: os.ModeSetgid, 0o1000: os.ModeSticky} {
		if mode&bit != 0 {
			out |= flag
		}
	}
	return out
}

func (d hostDir) write(_ context.Context, files pod.Files, group *int64) error {
	made := map[string]bool{".": true}
	for name, f := range files {
		if err := d.makeDirs(path.Dir(name), made, group); err != nil {
			return d.failed(err)
		}
		if err := d.writeFile(name, f.Data, readable(int64(f.Mode), group), group); err != nil {
			return d.failed(err)
		}
	}
	return nil
}

// makeDirs makes the directories above a file, and gives new ones to the group.
func (d hostDir) makeDirs(dir string, made map[string]bool, group *int64) error {
	if made[dir] {
		return nil
	}
	if err := d.makeDirs(path.Dir(dir), made, group); err != nil {
		return err
	}
	made[dir] = true
	if err := d.root.Mkdir(dir, 0o755); errors.Is(err, os.ErrExist) {
		return nil
	} else if err != nil {
		return err
	}
	if err := d.root.Lchown(dir, 0, gid(group)); err != nil {
		return err
	}
	return d.root.Chmod(dir, 0o755)
}

// writeFile replaces a file as an unpacked archive would: by a new one, so that whoever has the old one open keeps it.
func (d hostDir) writeFile(name string, data []byte, mode int64, group *int64) error {
	if err := d.root.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := d.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Chown(0, gid(group)), f.Chmod(fileMode(mode)), f.Close())
}

func (d hostDir) own(group int) (done bool, err error) {
	return true, d.failed(fsgroup.ApplyIn(d.root, group))
}

func (d hostDir) failed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("cannot set up volume %s: %w", d.name, err)
}
