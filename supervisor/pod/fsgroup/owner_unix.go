//go:build unix

package fsgroup

import (
	"io/fs"
	"syscall"
)

func groupOf(info fs.FileInfo) (gid int, known bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(st.Gid), true
}
