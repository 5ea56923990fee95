// Package fsgroup gives the files of volumes to the group that a pod's fsGroup names, with the kubelet's rules
// (SetVolumeOwnership in pkg/volume/volume_linux.go). The work is done in a helper container in which the volumes are mounted.
package fsgroup

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// Command is the hidden lyandev command of the helper container. Its arguments are those of Main.
const Command = "fs-group"

// DirMode are the bits that a directory of a volume gets, as in a tar header: read, write and search for owner and group, and setgid,
// so that new files have the group too. Those of files are fileMode.
const (
	DirMode  = 0o2770
	fileMode = 0o660
	setgid   = 0o2000
)

// batch is how many entries of a directory are read at a time.
const batch = 1024

// Matches reports whether the root directory of a volume, with the group and mode of its tar header, has the pod's group and all
// bits of DirMode. Under fsGroupChangePolicy OnRootMismatch nothing is done then.
func Matches(gid int, mode, group int64) bool {
	return int64(gid) == group && mode&DirMode == DirMode
}

// Main gives volumes to a group. args are the group's number and the directories. It stops at the first error.
func Main(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("cannot give volumes to a group: %s needs a group and directories, not %q", Command, args)
	}
	group, err := strconv.ParseInt(args[0], 10, 32)
	if err != nil || group < 0 {
		return fmt.Errorf("cannot give volumes to a group: %q is not the number of a group", args[0])
	}
	for _, dir := range args[1:] {
		if err := Apply(dir, int(group)); err != nil {
			return err
		}
	}
	return nil
}

// Apply gives a directory and all below it to a group. Files and directories keep their owner and get the missing permissions of owner
// and group; of a symbolic link only the group of the link itself is changed. The directory comes after what is in it: whoever is
// interrupted leaves a root that does not match. What is right already is not touched, and what vanishes meanwhile is no error.
//
// It works on paths: os.Root would change modes with fchmodat2, which Docker 20.10 denies to containers.
func Apply(dir string, group int) error {
	info, err := os.Lstat(dir)
	if err == nil && !info.IsDir() {
		err = errors.New("it is not a directory")
	}
	if err == nil {
		err = reach{open: os.Open, lchown: os.Lchown, chmod: os.Chmod}.apply(dir, info, group)
	}
	return applied(dir, group, err)
}

// ApplyIn is Apply for an opened directory. Nothing outside it is changed, whatever others put into it meanwhile.
func ApplyIn(dir *os.Root, group int) error {
	info, err := dir.Lstat(".")
	if err == nil {
		err = reach{open: dir.Open, lchown: dir.Lchown, chmod: dir.Chmod}.apply(".", info, group)
	}
	return applied(dir.Name(), group, err)
}

func applied(dir string, group int, err error) error {
	if err != nil {
		return fmt.Errorf("cannot give %s to group %d: %w; change its files by hand, or leave fsGroup out of the pod's securityContext", dir, group, err)
	}
	return nil
}

// reach is how files are reached.
type reach struct {
	open   func(path string) (*os.File, error)
	lchown func(path string, uid, gid int) error
	chmod  func(path string, mode fs.FileMode) error
}

func (r reach) apply(path string, info fs.FileInfo, group int) error {
	if info.IsDir() {
		if err := r.entries(path, group); err != nil {
			return vanished(err)
		}
	}
	changed := false
	if gid, known := groupOf(info); !known || gid != group {
		if err := r.lchown(path, -1, group); err != nil {
			return vanished(err)
		}
		changed = true // the kernel takes setuid and setgid from a file that changes hands
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return nil
	}
	wanted := info.Mode() | fileMode
	if info.IsDir() {
		wanted = info.Mode() | fs.ModeSetgid | DirMode&^setgid
	}
	if !changed && wanted == info.Mode() {
		return nil
	}
	return vanished(r.chmod(path, wanted))
}

// entries applies to what is in a directory.
func (r reach) entries(dir string, group int) error {
	d, err := r.open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	for {
		list, err := d.ReadDir(batch)
		for _, e := range list {
			info, err := e.Info()
			if err == nil {
				err = r.apply(filepath.Join(dir, e.Name()), info, group)
			}
			if vanished(err) != nil {
				return err
			}
		}
		if len(list) == 0 || err != nil {
			return atEnd(err)
		}
	}
}

func atEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// vanished takes away the error of a file that is no longer there: whoever else uses the volume may remove files meanwhile.
func vanished(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
