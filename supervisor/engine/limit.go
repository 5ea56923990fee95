package engine

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Timeouts of single calls. A hanging engine keeps its connections open without answering, so a call without a timeout would
// block forever. The timeouts are far above what a loaded machine needs. Calls that transfer data (pulls, imports, copies,
// logs, command output) have none, because their duration is unknown: they end with their caller's context.
const (
	// answerLimit is for calls that read or change metadata.
	answerLimit = 30 * time.Second
	// infoLimit is for each of a command's first calls, for which the user is waiting. An engine under load takes seconds.
	infoLimit = 15 * time.Second
	// workLimit is for calls that create, start, attach or remove something. A stop may also take its grace period.
	workLimit = 2 * time.Minute
)

// within makes a call with a timeout. The error is ErrNoAnswer if the timeout is exceeded.
func within[T any](ctx context.Context, limit time.Duration, call func(ctx context.Context) (T, error)) (T, error) {
	inner, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	v, err := call(inner)
	if err != nil && errors.Is(inner.Err(), context.DeadlineExceeded) && ctx.Err() == nil {
		err = fmt.Errorf("%w within %s; check whether `docker ps` answers, and restart the engine if it does not", ErrNoAnswer, limit)
	}
	return v, err
}

// do is within for calls without a result.
func do(ctx context.Context, limit time.Duration, call func(ctx context.Context) error) error {
	_, err := within(ctx, limit, func(ctx context.Context) (struct{}, error) { return struct{}{}, call(ctx) })
	return err
}
