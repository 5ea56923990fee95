//go:build !unix

package agent

// openFiles returns an estimate; agents run on Linux only.
func openFiles() uint64 { return 1024 }
