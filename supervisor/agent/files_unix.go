//go:build unix

package agent

import "golang.org/x/sys/unix"

// openFiles returns the process's limit of open files. Go raises it to the hard limit at start.
func openFiles() uint64 {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil {
		return 1024
	}
	return uint64(l.Cur)
}
