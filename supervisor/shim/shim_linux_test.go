package shim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The tests' own binary is a shim when it is called as one: init sees to that.

// child is a shim that runs, as a container's PID 1 would but for the number.
type child struct {
	*testing.T
	cmd    *exec.Cmd
	socket string
	out    *lockedBuffer
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func start(t *testing.T, signal string, argv ...string) *child {
	t.Helper()
	socket := fmt.Sprintf("test-%d-%s", os.Getpid(), filepath.Base(t.TempDir())+strconv.Itoa(int(time.Now().UnixNano()%1e9)))
	c := &child{T: t, socket: socket, out: &lockedBuffer{}}
	args := append(Args(socket, signal)[1:], argv...)
	c.cmd = exec.Command(os.Args[0], args...)
	c.cmd.Stdout, c.cmd.Stderr = c.out, c.out
	c.cmd.SysProcAttr, c.cmd.WaitDelay = &syscall.SysProcAttr{Setpgid: true}, time.Second
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
		if c.cmd.ProcessState == nil {
			_ = c.cmd.Wait()
		}
	})
	return c
}

// says waits until the output has a text so many times.
func (c *child) says(text string, times int) {
	c.Helper()
	deadline := time.After(10 * time.Second)
	for strings.Count(c.out.String(), text) < times {
		select {
		case <-deadline:
			c.Fatalf("%q never came %d times: %q", text, times, c.out)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// ends waits for the end and gives the code.
func (c *child) ends() int {
	c.Helper()
	done := make(chan struct{})
	go func() { _ = c.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		c.Fatalf("it never ended: %q", c.out)
	}
	return c.cmd.ProcessState.ExitCode()
}

func TestItEndsAsItsChildDoes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		argv []string
		want int
	}{
		{[]string{"true"}, 0},
		{[]string{"sh", "-c", "exit 7"}, 7},
		{[]string{"sh", "-c", "kill -KILL $$"}, 137},
		{[]string{"sh", "-c", "kill -TERM $$"}, 143},
		{[]string{"no-such-command"}, 127},
		{[]string{"/etc/passwd"}, 126},
	} {
		if got := start(t, "", c.argv...).ends(); got != c.want {
			t.Errorf("%v: %d, want %d", c.argv, got, c.want)
		}
	}
	if out, err := exec.Command(os.Args[0], Command, "x").CombinedOutput(); err == nil || !strings.Contains(string(out), "usage") {
		t.Errorf("%v %s", err, out)
	}
}

func TestSignalsArePassedOn(t *testing.T) {
	t.Parallel()
	c := start(t, "SIGTERM", "sh", "-c", "trap 'echo hup' HUP; trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.01; done")
	c.says("up", 1)
	_ = c.cmd.Process.Signal(syscall.SIGHUP)
	c.says("hup", 1)
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	if code := c.ends(); code != 3 {
		t.Fatalf("code %d: %q", code, c.out)
	}
}

func TestRestart(t *testing.T) {
	t.Parallel()
	c := start(t, "SIGTERM", "sh", "-c", "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done")
	c.says("up", 1)
	for i := range 3 {
		r := passRestart(c.socket, 5*time.Second)
		if r.Error != "" || r.Killed {
			t.Fatalf("%+v", r)
		}
		c.says("up", i+2)
	}
	if n := strings.Count(c.out.String(), "bye"); n != 3 {
		t.Fatalf("%d good-byes: %q", n, c.out)
	}
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	if code := c.ends(); code != 0 {
		t.Fatalf("code %d", code)
	}
}

func TestRestartKillsAfterTheGraceAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	c := start(t, "SIGTERM", "sh", "-c", "trap '' TERM; sleep 300 & echo left $!; (trap '' TERM; sleep 301 & wait) & echo up; while :; do sleep 0.01; done")
	c.says("up", 1)
	r := passRestart(c.socket, 50*time.Millisecond)
	if r.Error != "" || !r.Killed || r.StopMicros < 50_000 {
		t.Fatalf("%+v", r)
	}
	c.says("up", 2)
	_, text, _ := strings.Cut(c.out.String(), "left ")
	pid, _ := strconv.Atoi(strings.Fields(text)[0])
	if err := syscall.Kill(pid, 0); err == nil {
		t.Fatalf("process %d of the first run is still there", pid)
	}
}

func TestRestartOfTheSignalThatWasAskedFor(t *testing.T) {
	t.Parallel()
	c := start(t, "SIGUSR1", "sh", "-c", "trap 'echo usr1; exit 0' USR1; echo up; while :; do sleep 0.01; done")
	c.says("up", 1)
	if r := passRestart(c.socket, 5*time.Second); r.Error != "" || r.Killed {
		t.Fatalf("%+v", r)
	}
	c.says("usr1", 1)
	c.says("up", 2)
}

func TestAChildThatCannotStartAgainEndsTheShim(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "app")
	if err := os.WriteFile(file, []byte("#!/bin/sh\necho up\nwhile :; do sleep 0.01; done\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	c := start(t, "", file)
	c.says("up", 1)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if r := passRestart(c.socket, time.Second); r.Error == "" {
		t.Fatalf("%+v", r)
	}
	if code := c.ends(); code != 127 {
		t.Fatalf("code %d", code)
	}
}

func TestOrphansAreReaped(t *testing.T) {
	t.Parallel()
	c := start(t, "", "sh", "-c", "for i in 1 2 3 4 5; do (sleep 0.01 &) ; done; sleep 0.1; echo up; while :; do sleep 0.01; done")
	c.says("up", 1)
	deadline := time.After(5 * time.Second)
	for {
		zombies := 0
		for _, pid := range childrenOf(t, c.cmd.Process.Pid) {
			if b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); strings.Contains(string(b), ") Z ") {
				zombies++
			}
		}
		if zombies == 0 {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("%d zombies", zombies)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func childrenOf(t *testing.T, parent int) []int {
	t.Helper()
	var out []int
	names, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err == nil && parentOf(string(b)) == parent {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(n)))
			out = append(out, pid)
		}
	}
	return out
}

func TestParentOf(t *testing.T) {
	for stat, want := range map[string]int{
		"12 (sh) S 7 12":              7,
		"12 (a ) b) (c) R 9 1 1":      9,
		"12 (x) Z":                    0,
		"":                            0,
		"12 (weird\n name) S 4 2 1 0": 4,
	} {
		if got := parentOf(stat); got != want {
			t.Errorf("%q: %d", stat, got)
		}
	}
}

func TestSignalNamed(t *testing.T) {
	for name, want := range map[string]syscall.Signal{
		"SIGTERM": syscall.SIGTERM, "quit": syscall.SIGQUIT, "9": syscall.SIGKILL, "SIGRTMIN+3": syscall.Signal(37),
		"": syscall.SIGTERM, "NONSENSE": syscall.SIGTERM, "SIGWINCH": syscall.SIGWINCH, "99": syscall.SIGTERM,
	} {
		if got := signalNamed(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

func TestControl(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	cmd := exec.Command(os.Args[0], ControlCommand, "nobody-listens")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(out)
	ask := func(q Request, contents string) (r Reply) {
		line, _ := json.Marshal(q)
		if _, err := io.WriteString(in, string(line)+"\n"+contents); err != nil {
			t.Fatal(err)
		}
		if err := dec.Decode(&r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := ask(Request{Op: Hello}, ""); r.Shim || r.Error != "" {
		t.Fatalf("%+v", r)
	}
	if r := ask(Request{Op: Lay, Files: []File{{Root: root, Path: "a", Kind: Regular, Mode: 0o644, Size: 3}}}, "one"); r.Error != "" {
		t.Fatalf("%+v", r)
	}
	if read(t, filepath.Join(root, "a")) != "one" {
		t.Fatal("not laid")
	}
	if r := ask(Request{Op: Restart}, ""); !strings.Contains(r.Error, "cannot reach the shim") {
		t.Fatalf("%+v", r)
	}
	if r := ask(Request{Op: "dance"}, ""); !strings.Contains(r.Error, "dance") {
		t.Fatalf("%+v", r)
	}
	_ = in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
}
