//go:build !linux

package engine

// killMarked reaches nothing here: containers run in another machine's PID space.
func killMarked(string, string) int { return 0 }
