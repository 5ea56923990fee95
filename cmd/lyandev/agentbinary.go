package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/lyandev/lyandev/supervisor/selfimage"
)

// linuxBinary is the name of the Linux binary that release archives for macOS and Windows have beside lyandev.
const linuxBinary = "lyandev-linux"

// agentBinary returns the path of the static Linux binary that goes into the images of agents and sandboxes, and into pods:
// $LYANDEV_AGENT_BINARY, else this executable, or on hosts that are not Linux the file lyandev-linux beside it. The error says how
// to get one.
func agentBinary() (string, error) {
	path := os.Getenv("LYANDEV_AGENT_BINARY")
	if path == "" {
		own, err := os.Executable()
		if err != nil {
			return "", fmt.Errorf("cannot find the lyandev executable: %w", err)
		}
		path = binaryBeside(own, runtime.GOOS)
	}
	return path, selfimage.Check(path)
}

// binaryBeside returns the binary for containers of an executable.
func binaryBeside(own, system string) string {
	if system == "linux" {
		return own
	}
	if resolved, err := filepath.EvalSymlinks(own); err == nil {
		own = resolved
	}
	beside := filepath.Join(filepath.Dir(own), linuxBinary)
	if _, err := os.Stat(beside); err != nil {
		return own
	}
	return beside
}
