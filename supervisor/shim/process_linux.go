package shim

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// defaultPath is the PATH of container runtimes for images without one.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// find looks up a command as the container runtime does. code is 0, or the exit code for a failure.
func find(name, path string) (file string, code int) {
	if strings.Contains(name, "/") {
		return name, executable(name)
	}
	if path == "" {
		path = defaultPath
	}
	code = exitNotFound
	for _, dir := range strings.Split(path, ":") {
		if dir == "" {
			dir = "."
		}
		switch c := executable(dir + "/" + name); c {
		case 0:
			return dir + "/" + name, 0
		case exitNotExecutable:
			code = c
		}
	}
	return "", code
}

func executable(file string) int {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return exitNotFound
	case info.IsDir() || info.Mode()&0o111 == 0:
		return exitNotExecutable
	}
	return 0
}

// signalNamed parses a signal as Docker does: "SIGTERM", "TERM", "15". Unknown names give SIGTERM.
func signalNamed(name string) syscall.Signal {
	if n, err := strconv.Atoi(name); err == nil && n > 0 && n < 65 {
		return syscall.Signal(n)
	}
	name = strings.TrimPrefix(strings.ToUpper(name), "SIG")
	known := map[string]syscall.Signal{
		"HUP": syscall.SIGHUP, "INT": syscall.SIGINT, "QUIT": syscall.SIGQUIT, "ABRT": syscall.SIGABRT,
		"KILL": syscall.SIGKILL, "USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2, "ALRM": syscall.SIGALRM,
		"TERM": syscall.SIGTERM, "CONT": syscall.SIGCONT, "WINCH": syscall.SIGWINCH, "PWR": syscall.SIGPWR,
	}
	if s, ok := known[name]; ok {
		return s
	}
	if n, ok := strings.CutPrefix(name, "RTMIN+"); ok {
		if i, err := strconv.Atoi(n); err == nil && i >= 0 && i < 31 {
			return syscall.Signal(34 + i)
		}
	}
	return syscall.SIGTERM
}

// becomeReaper makes this process the parent of its orphaned descendants, also if it is not PID 1.
func becomeReaper() {
	const prSetChildSubreaper = 36
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0)
}

// orphanLimit bounds killOrphans.
const orphanLimit = 2 * time.Second

// killOrphans kills the processes that the previous child left behind, so that its ports are free: all children of this
// process, and those that become its children meanwhile. Exec'd commands have other parents and are not killed.
func killOrphans() {
	for deadline := time.Now().Add(orphanLimit); time.Now().Before(deadline); {
		pids := children()
		if len(pids) == 0 {
			return
		}
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		for _, pid := range pids {
			var ws syscall.WaitStatus
			_, _ = syscall.Wait4(pid, &ws, 0, nil)
		}
	}
}

// children returns the IDs of this process's children.
func children() []int {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	self := os.Getpid()
	var out []int
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == self {
			continue
		}
		stat, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue
		}
		if parentOf(string(stat)) == self {
			out = append(out, pid)
		}
	}
	return out
}

// parentOf parses the parent's ID from /proc/PID/stat, whose second field may contain any character within its brackets.
func parentOf(stat string) int {
	_, rest, ok := strings.Cut(stat[strings.LastIndexByte(stat, ')')+1:], " ")
	if !ok {
		return 0
	}
	fields := strings.Fields(rest)
	if len(fields) < 2 {
		return 0
	}
	pid, _ := strconv.Atoi(fields[1])
	return pid
}
