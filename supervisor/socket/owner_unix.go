//go:build unix

package socket

import (
	"io/fs"
	"syscall"
)

// plainSockets says that a socket does not show as one in its file mode.
const plainSockets = false

func ownedBy(info fs.FileInfo) (uid int, known bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(st.Uid), true
}
