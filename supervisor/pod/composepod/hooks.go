package composepod

import (
	"context"
	"fmt"
	"strings"

	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
)

// hook runs one post_start or pre_stop command in the container and blocks until it ends.
func (w *Worker) hook(ctx context.Context, id string, h compose.Hook) error {
	res, err := w.deps.Engine.Exec(ctx, id, engine.ExecSpec{
		Cmd: h.Command, Env: h.Env, User: h.User, WorkingDir: h.WorkingDir, Privileged: h.Privileged, OutputLimit: 4 << 10, Unmarked: true,
	})
	if err != nil {
		return fmt.Errorf("cannot run the hook %q in container %s: %w", strings.Join(h.Command, " "), w.container(), err)
	}
	if res.ExitCode != 0 {
		return fmt.Errorf("the hook %q in container %s exited with %d: %s", strings.Join(h.Command, " "), w.container(), res.ExitCode,
			strings.TrimSpace(string(res.Output)))
	}
	return nil
}
