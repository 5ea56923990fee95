package composepod

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/lyandev/lyandev/supervisor/engine"
)

// lastLines is the number of lines of a failed container that the error of RunToEnd quotes.
const lastLines = 10

// RunToEnd starts a created container and blocks until it has ended or ctx ends. An exit code that is not 0 is an error, with the last
// lines that the container printed. what names the container in errors.
func RunToEnd(ctx context.Context, eng engine.Engine, id, what string) error {
	ended, err := eng.Wait(ctx, id, engine.UntilNextExit)
	if err == nil {
		err = eng.StartContainer(ctx, id)
	}
	if err != nil {
		return fmt.Errorf("cannot run %s: %w", what, err)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case e := <-ended:
		if e.Err != nil {
			return fmt.Errorf("cannot wait for %s: %w", what, e.Err)
		}
		if e.ExitCode != 0 {
			return fmt.Errorf("%s exited with %d%s", what, e.ExitCode, tail(ctx, eng, id))
		}
	}
	return nil
}

// tail is the last lines that a container printed, after a colon.
func tail(ctx context.Context, eng engine.Engine, id string) string {
	r, err := eng.Logs(ctx, id, engine.LogOptions{Tail: lastLines})
	if err != nil {
		return ""
	}
	defer r.Close()
	text, _ := io.ReadAll(io.LimitReader(r, 4<<10)) // as much as there is
	if len(text) == 0 {
		return ""
	}
	return ": " + strings.TrimSpace(string(text))
}
