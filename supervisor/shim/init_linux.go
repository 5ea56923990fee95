package shim

import "os"

// This is not registration: see the package's comment for why the shim begins before main does.
func init() {
	if len(os.Args) < 2 {
		return
	}
	switch os.Args[1] {
	case Command:
		os.Exit(runShim(os.Args[2:]))
	case ControlCommand:
		os.Exit(runControl(os.Args[2:]))
	}
}
