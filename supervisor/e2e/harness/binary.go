package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// Binary is the lyandev binary that tests run: LYANDEV_BINARY if set, else one that is built once for the process. It
// fails the test if there is none to be had.
func Binary(t testing.TB) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var binary = sync.OnceValues(func() (string, error) {
	if p := os.Getenv("LYANDEV_BINARY"); p != "" {
		if _, err := os.Stat(p); err != nil {
			return "", fmt.Errorf("cannot use LYANDEV_BINARY: %w", err)
		}
		return filepath.Abs(p)
	}
	dir, err := os.MkdirTemp("", "lyandev-e2e-")
	if err != nil {
		return "", fmt.Errorf("cannot make a directory for the binary: %w", err)
	}
	path := filepath.Join(dir, "lyandev")
	cmd := exec.Command("go", "build", "-o", path, "github.com/lyandev/lyandev/cmd/lyandev")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // agents run it in an image with nothing else in it
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot build lyandev: %w\n%s", err, out)
	}
	return path, nil
})

// Clean removes the binary that Binary built, if it did. Call it from TestMain, after the tests.
func Clean() {
	if path, err := binary(); err == nil && os.Getenv("LYANDEV_BINARY") == "" {
		_ = os.RemoveAll(filepath.Dir(path))
	}
}
