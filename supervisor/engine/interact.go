package engine

import "io"

// Health statuses, as Docker names them.
const (
	HealthStarting  = "starting"
	HealthHealthy   = "healthy"
	HealthUnhealthy = "unhealthy"
)

// Health is the state of a container's own health check (HEALTHCHECK).
type Health struct {
	Status string
	// FailingStreak is how many checks in a row have failed.
	FailingStreak int
	// LastOutput is what the last check printed, LastExitCode its exit code (-1: it timed out).
	LastOutput   string
	LastExitCode int
}

// WaitUntil is what Wait waits for.
type WaitUntil string

// What Wait waits for.
const (
	UntilStopped  WaitUntil = "not-running"
	UntilNextExit WaitUntil = "next-exit"
	UntilRemoved  WaitUntil = "removed"
)

// Ended is the end of a container. Err says why it is not known.
type Ended struct {
	ExitCode int
	Err      error
}

// AttachOptions choose the streams of Attach. A nil stream is not attached.
type AttachOptions struct {
	// Stdin is read until it ends; the container's standard input is then closed. A read that is under way outlives the
	// attachment.
	Stdin io.Reader
	// Stdout receives the output, and that of standard error too if the container has a terminal.
	Stdout, Stderr io.Writer
	// Logs begins with what the container has printed already.
	Logs bool
	// DetachKeys is the sequence that detaches ("ctrl-p,ctrl-q" if ""). It needs a terminal.
	DetachKeys string
}

// Processes is a table of processes, as ps prints it.
type Processes struct {
	Titles []string
	Rows   [][]string
}

// Stats is one sample of what a container uses.
type Stats struct {
	// CPUNanos is the CPU time used since the start, SystemNanos that of the whole machine since it booted, both in
	// nanoseconds; CPUs is the number of processors. The share of one CPU between two samples is
	// delta CPUNanos / delta SystemNanos * CPUs.
	CPUNanos, SystemNanos uint64
	CPUs                  int
	// Memory is the memory used less the inactive page cache, as the docker CLI shows it; MemoryLimit is the limit, or the
	// machine's memory. Both are in bytes.
	Memory, MemoryLimit uint64
	PIDs                uint64
	// NetRx and NetTx are the bytes received and sent in all networks, BlockRead and BlockWrite the bytes read and written.
	NetRx, NetTx, BlockRead, BlockWrite uint64
}
