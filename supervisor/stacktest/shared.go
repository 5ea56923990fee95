package stacktest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/adrg/xdg"
	"github.com/gofrs/flock"

	"github.com/lyandev/lyandev/supervisor/build"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/tcengine"
	"github.com/lyandev/lyandev/supervisor/stacktest/throwaway"
)

// process holds what all stacks of a test process share.
type process struct {
	engine *tcengine.Engine
	images *throwaway.Images
	binary string
}

// connect connects to the engine once per process. It uses testcontainers' default session, so that tests can use it for other
// containers as well.
var connect = sync.OnceValues(func() (*process, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	binary, err := agentBinary(ctx)
	if err != nil {
		return nil, err
	}
	eng, err := tcengine.New(ctx, tcengine.Options{AllowRemote: engine.AllowRemote()})
	if err != nil {
		return nil, err
	}
	if err := eng.PrepareReaper(ctx, binary); err != nil {
		return nil, errors.Join(err, eng.Close())
	}
	return &process{
		engine: eng, binary: binary,
		images: &throwaway.Images{Builder: &build.Builder{
			API: eng.API(), Images: eng, CacheDir: filepath.Join(xdg.CacheHome, "lyandev"), Log: slog.New(slog.DiscardHandler),
		}},
	}, nil
})

// agentBinary returns the path of the static lyandev binary for agents: LYANDEV_AGENT_BINARY, LYANDEV_BINARY, or one built from
// this module into the user's cache directory.
func agentBinary(ctx context.Context) (string, error) {
	for _, name := range []string{"LYANDEV_AGENT_BINARY", "LYANDEV_BINARY"} {
		if p := os.Getenv(name); p != "" {
			return filepath.Abs(p)
		}
	}
	dir := filepath.Join(xdg.CacheHome, "lyandev", "stacktest")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("cannot create a directory for the agent's binary: %w", err)
	}
	lock := flock.New(filepath.Join(dir, "lock"))
	if _, err := lock.TryLockContext(ctx, 50*time.Millisecond); err != nil {
		return "", fmt.Errorf("cannot build the agent's binary: %w", err)
	}
	defer func() { _ = lock.Unlock() }()
	path := filepath.Join(dir, "lyandev")
	cmd := exec.CommandContext(ctx, "go", "build", "-ldflags", "-s -w", "-o", path, "github.com/lyandev/lyandev/cmd/lyandev")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot build the agent's binary: %w\n%s", err, out)
	}
	return path, nil
}
