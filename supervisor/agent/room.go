package agent

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

const (
	// filesPerConnection is the number of files that a forwarded connection may need: two sockets, and for splice a pipe (two
	// files) per direction.
	filesPerConnection = 6
	// otherFiles is the number of files reserved for listeners, the control API, the ingress and the name server.
	otherFiles = 512
	// sayEvery is the minimum time between log messages about waiting connections.
	sayEvery = time.Minute
)

// room limits the concurrent forwarded connections, so that the process does not run out of file descriptors. A connection
// beyond the limit waits until another one has ended; further ones wait in the kernel's accept queue.
type room struct {
	slots  chan struct{}
	waited atomic.Int64
	said   atomic.Int64 // when, in nanoseconds since 1970
	log    *slog.Logger
}

// newRoom returns a limit for the given number of files, at least 64 connections.
func newRoom(files uint64, log *slog.Logger) *room {
	n := uint64(64)
	if files > otherFiles {
		n = max(n, (files-otherFiles)/filesPerConnection)
	}
	return &room{slots: make(chan struct{}, min(n, 1<<20)), log: log}
}

// enter waits until a connection is allowed. It returns false if ctx ends first. The caller must call leave.
func (r *room) enter(ctx context.Context) bool {
	select {
	case r.slots <- struct{}{}:
		return true
	default:
	}
	r.waited.Add(1)
	now, said := time.Now(), r.said.Load()
	if now.UnixNano()-said > int64(sayEvery) && r.said.CompareAndSwap(said, now.UnixNano()) {
		r.log.Warn("connections wait: the limit of open files is reached", "open", len(r.slots))
	}
	select {
	case r.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (r *room) leave() { <-r.slots }
