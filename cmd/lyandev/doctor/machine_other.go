//go:build !linux

package doctor

// available is unknown outside Linux.
func available() uint64 { return 0 }

// watchLimits: only Linux has limits that can be read.
func watchLimits() (watches, instances int) { return 0, 0 }

// processAt is unknown outside Linux.
func processAt(string, int) (pid int, name string) { return 0, "" }
