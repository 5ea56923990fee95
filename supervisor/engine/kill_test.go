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

// TestKillTreeReachesAProcessAndItsChildren only if the process is in the container's cgroup.
func TestKillTreeReachesAProcessAndItsChildren(t *testing.T) {
	proc := t.TempDir()
	run := func(parent int, cgroup string) *exec.Cmd {
		cmd := exec.Command("sleep", "100")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(proc, strconv.Itoa(cmd.Process.Pid))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{
			"cgroup": cgroup, "status": "Name:\tsleep\nPPid:\t" + strconv.Itoa(parent) + "\nNSpid:\t4711\t12\n",
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return cmd
	}
	const in = "9:pids:/docker/abc\n"
	root := run(1, in)
	child := run(root.Process.Pid, in)
	below, other := run(child.Process.Pid, in), run(1, in)
	for _, wrong := range []string{"abd", "ffff"} {
		if n, refused := killTree(proc, root.Process.Pid, wrong); n != 0 || len(refused) != 0 {
			t.Errorf("of container %s it reached %d and %v", wrong, n, refused)
		}
	}
	if n, refused := killTree(proc, root.Process.Pid, "abc"); n != 3 || len(refused) != 0 {
		t.Errorf("it reached %d and %v", n, refused)
	}
	for _, cmd := range []*exec.Cmd{root, child, below} {
		if err := cmd.Wait(); err == nil || err.Error() != "signal: killed" {
			t.Errorf("%d ended with %v", cmd.Process.Pid, err)
		}
	}
	if err := other.Process.Kill(); err != nil {
		t.Errorf("another one is gone: %v", err)
	}
	_ = other.Wait()
}
