//go:build unix

package fault

import (
	"errors"
	"syscall"
)

// Alive reports whether a process is running.
func Alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return pid > 0 && (err == nil || errors.Is(err, syscall.EPERM))
}
