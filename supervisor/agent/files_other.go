//go:build !unix

package agent

// openFiles is a guess: agents run on Linux.
func openFiles() uint64 { return 1024 }
