//go:build unix

package agent

import "golang.org/x/sys/unix"

// openFiles is how many files this process may have open. Go raises its limit to the hard one at its start.
func openFiles() uint64 {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil {
		return 1024
	}
	return uint64(l.Cur)
}
