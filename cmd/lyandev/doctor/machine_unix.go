//go:build unix

package doctor

import (
	"io/fs"
	"os/user"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// space returns the free and total bytes and inodes of the file system of path.
func space(path string) (free, total, freeNodes, nodes uint64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, 0, 0, 0, err
	}
	block := uint64(s.Bsize)
	return uint64(s.Bavail) * block, s.Blocks * block, uint64(s.Ffree), s.Files, nil
}

// groupOf is the name of a file's group, "" if it has none.
func groupOf(info fs.FileInfo) string {
	st, isStat := info.Sys().(*syscall.Stat_t)
	if !isStat {
		return ""
	}
	g, err := user.LookupGroupId(strconv.Itoa(int(st.Gid)))
	if err != nil {
		return ""
	}
	return g.Name
}
