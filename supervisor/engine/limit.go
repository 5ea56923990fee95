package engine

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Limits of single calls. An engine that hangs holds its connections open and says nothing, so a call without a limit would
// wait for ever. They are far above what a loaded machine takes. Calls that carry data (pulls, imports, copies, logs, what a
// command prints) have none, since nobody knows how long they may take: they end with their caller's context.
const (
	// answerLimit is for calls that look something up or note it down.
	answerLimit = 30 * time.Second
	// infoLimit is for each of the first calls of a command, where a person waits. An engine under load takes seconds.
	infoLimit = 15 * time.Second
	// workLimit is for calls that make, start, attach or remove something; a stop may take its grace besides.
	workLimit = 2 * time.Minute
)

// within makes a call that may take limit at most. A call that took longer fails with ErrNoAnswer.
func within[T any](ctx context.Context, limit time.Duration, call func(ctx context.Context) (T, error)) (T, error) {
	inner, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	v, err := call(inner)
	if err != nil && errors.Is(inner.Err(), context.DeadlineExceeded) && ctx.Err() == nil {
		err = fmt.Errorf("%w in %s; see whether `docker ps` answers, and restart the engine if it does not", ErrNoAnswer, limit)
	}
	return v, err
}

// do is within for calls that give nothing back.
func do(ctx context.Context, limit time.Duration, call func(ctx context.Context) error) error {
	_, err := within(ctx, limit, func(ctx context.Context) (struct{}, error) { return struct{}{}, call(ctx) })
	return err
}
