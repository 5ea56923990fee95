// Package startup makes the start of the process cheaper. Its init runs before those of the large libraries: it imports only the
// standard library, and its path comes before theirs (the language initialises packages in the order of their paths, each as soon as its
// imports are).
//
// Two things are changed until Done: the garbage collector lets the heap grow to some tens of MB, because most commands end before
// a collection has paid for itself; and testcontainers-go, whose init reads the stat files of all processes of the machine to name a session,
// is told that there is no /proc. It then takes a random name; `lyandev test` names its sessions itself.
package startup

import (
	"math"
	"os"
	"runtime/debug"
	"time"
)

const (
	// procVariable is where gopsutil, which testcontainers-go reads processes with, looks for another /proc.
	procVariable = "HOST_PROC"
	noProc       = "/dev/null"

	// The collector's settings at first: the first collection is at 32 MB instead of 4 MB, and memory stays below about 256 MB.
	heapGrowth  = 800
	memoryLimit = 256 << 20
	// settleAfter is when a process that still runs gets Go's own settings.
	settleAfter = time.Second
)

var hostProc, hostProcSet = os.LookupEnv(procVariable)

func init() {
	relax()
	_ = os.Setenv(procVariable, noProc)
}

// relax changes the collector's settings, unless the user has chosen them.
func relax() {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(heapGrowth)
		debug.SetMemoryLimit(memoryLimit)
	}
}

// Done says that all packages are initialised. It restores the environment at once, and Go's own settings of the collector a second
// later, for the processes that go on.
func Done() {
	if hostProcSet {
		_ = os.Setenv(procVariable, hostProc)
	} else {
		_ = os.Unsetenv(procVariable)
	}
	time.AfterFunc(settleAfter, settle)
}

func settle() {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(100)
		debug.SetMemoryLimit(math.MaxInt64)
	}
}
