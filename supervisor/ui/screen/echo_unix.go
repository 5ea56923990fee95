//go:build linux || darwin

package screen

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/lyandev/lyandev/supervisor/ui"
)

// withoutEcho keeps the terminal from showing what is typed, until restore is called: a ^C or an empty line would stay in the picture.
// Ctrl-C goes on sending its signal. It does nothing for a process in the background, which the system would stop.
func withoutEcho(st *ui.Streams) (restore func()) {
	in, ok := st.In.(*os.File)
	if !ok || !st.InTTY {
		return func() {}
	}
	fd := int(in.Fd())
	if group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP); err != nil || group != unix.Getpgrp() {
		return func() {}
	}
	before, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil || before.Lflag&unix.ECHO == 0 {
		return func() {}
	}
	quiet := *before
	quiet.Lflag &^= unix.ECHO
	_ = unix.IoctlSetTermios(fd, setTermios, &quiet) // the picture is only less tidy without
	return func() { _ = unix.IoctlSetTermios(fd, setTermios, before) }
}
