//go:build !linux

package engine

// killMarked does nothing here: containers run in the PID namespace of a virtual machine.
func killMarked(string, string) int { return 0 }

// killTree does nothing here, for the same reason.
func killTree(string, int, string) (int, []string) { return 0, nil }
