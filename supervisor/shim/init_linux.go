package shim

import "os"

// init runs the shim before main; see the package comment for the reason.
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
