package harness

import (
	"flag"
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

// built is the directory of the binary that was built for this process, "" if none was.
var built string

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
	built = dir
	path := filepath.Join(dir, "lyandev")
	cmd := exec.Command("go", "build", "-o", path, "github.com/lyandev/lyandev/cmd/lyandev")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // agents run it in an image with nothing else in it
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot build lyandev: %w\n%s", err, out)
	}
	return path, nil
})

// Main runs the tests of a package that all need a Docker engine; with -short it runs none and says so. It removes the binary
// that Binary built, if it built one, and returns the exit code. Call it from TestMain.
func Main(m *testing.M) int {
	flag.Parse()
	if testing.Short() {
		fmt.Println("skipped: every test of this package needs a Docker engine; make test runs them")
		return 0
	}
	defer Clean()
	return m.Run()
}

// Clean removes the binary that Binary built, if it built one. Call it from TestMain, after the tests.
func Clean() {
	if built != "" {
		_ = os.RemoveAll(built)
	}
}
