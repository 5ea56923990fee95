package agent

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

const (
	// filesPerConnection is how many files a connection that is passed on may need: two sockets, and a pipe (two files) each way
	// through which the kernel moves the bytes.
	filesPerConnection = 6
	// otherFiles are those of listeners, the control API, the ingress and the name server.
	otherFiles = 512
	// sayEvery bounds how often the log says that connections wait.
	sayEvery = time.Minute
)

// room bounds the connections that are passed on at the same time, so that the process does not run out of files. A
// connection beyond the bound waits, and those behind it wait in the kernel, until another one has ended.
type room struct {
	slots  chan struct{}
	waited atomic.Int64
	said   atomic.Int64 // when, in nanoseconds since 1970
	log    *slog.Logger
}

// newRoom has room for what so many files allow, 64 connections at least.
func newRoom(files uint64, log *slog.Logger) *room {
	n := uint64(64)
	if files > otherFiles {
		n = max(n, (files-otherFiles)/filesPerConnection)
	}
	return &room{slots: make(chan struct{}, min(n, 1<<20)), log: log}
}

// enter waits for room, and for leave to be called by others. It reports false when ctx ends first.
func (r *room) enter(ctx context.Context) bool {
	select {
	case r.slots <- struct{}{}:
		return true
	default:
	}
	r.waited.Add(1)
	now, said := time.Now(), r.said.Load()
	if now.UnixNano()-said > int64(sayEvery) && r.said.CompareAndSwap(said, now.UnixNano()) {
		r.log.Warn("connections wait: as many are open as the limit of open files allows", "open", len(r.slots))
	}
	select {
	case r.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (r *room) leave() { <-r.slots }
