//go:build linux

package engine

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

func TestKillMarkedReachesOnlyTheMarked(t *testing.T) {
	proc := t.TempDir()
	run := func(env string) *exec.Cmd {
		cmd := exec.Command("sleep", "100")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(proc, strconv.Itoa(cmd.Process.Pid))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "environ"), []byte(env), 0o600); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	marked, other, longer := run("A=b\x00M=1\x00"), run("A=b\x00"), run("M=12\x00XM=1\x00")
	if err := os.MkdirAll(filepath.Join(proc, "self"), 0o700); err != nil {
		t.Fatal(err)
	}
	if n := killMarked(proc, "M=1"); n != 1 {
		t.Errorf("reached %d", n)
	}
	if err := marked.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Errorf("the marked one ended with %v", err)
	}
	for _, cmd := range []*exec.Cmd{other, longer} {
		if err := cmd.Process.Kill(); err != nil {
			t.Errorf("another one is gone: %v", err)
		}
		_ = cmd.Wait()
	}
}
