package snapshot

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func ownerOf(info fs.FileInfo) (uid, gid int) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid), int(st.Gid)
	}
	return os.Getuid(), os.Getgid()
}

// inode identifies a file that has several names.
type inode struct{ dev, ino uint64 }

// inodeOf reports whether a file has several names, hard links.
func inodeOf(info fs.FileInfo) (id inode, several bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Nlink < 2 {
		return inode{}, false
	}
	return inode{st.Dev, st.Ino}, true
}

// clone makes out share the blocks of in (reflink) and reports whether the file system can do that: XFS, Btrfs, bcachefs.
func clone(in, out *os.File) bool {
	return unix.IoctlFileClone(int(out.Fd()), int(in.Fd())) == nil
}

// nextData returns the next range of a file, from off, that is not a hole. Where there is none before end, both are end.
func nextData(f *os.File, off, end int64) (data, hole int64) {
	data, err := unix.Seek(int(f.Fd()), off, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) || err == nil && data >= end {
		return end, end
	}
	if err != nil {
		return off, end // the file system does not tell
	}
	if hole, err = unix.Seek(int(f.Fd()), data, unix.SEEK_HOLE); err != nil {
		return data, end
	}
	return data, min(hole, end)
}

// syncTrees syncs the file systems of directories to disk, each once.
func syncTrees(roots ...*os.Root) error {
	done := map[uint64]bool{}
	for _, root := range roots {
		if err := syncOnce(root, done); err != nil {
			return err
		}
	}
	return nil
}

func syncOnce(root *os.Root, done map[uint64]bool) error {
	f, err := root.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	if done[st.Dev] {
		return nil
	}
	done[st.Dev] = true
	return unix.Syncfs(int(f.Fd()))
}

// changeTime is when a file's metadata or content last changed, as the kernel says.
func changeTime(info fs.FileInfo) time.Time {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return time.Unix(st.Ctim.Unix())
	}
	return time.Time{}
}
