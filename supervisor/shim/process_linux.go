package shim

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// defaultPath is where runtimes look for commands when the image names no PATH.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// find looks a command up as the container runtime does; code is 0, or what to exit with.
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

// signalNamed reads a signal as Docker writes it: "SIGTERM", "TERM", "15". What it does not know is SIGTERM.
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

// becomeReaper makes orphans below this process its children also where it is not PID 1.
func becomeReaper() {
	const prSetChildSubreaper = 36
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0)
}

// orphanLimit bounds how long killOrphans insists.
const orphanLimit = 2 * time.Second

// killOrphans ends what the former child left behind, so that its ports are free: every child that this process has, and
// those that become its children by that. Commands that others run in the container have other parents.
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

// children are the processes whose parent this one is.
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

// parentOf reads the parent out of /proc/PID/stat, whose second field may hold anything in its brackets.
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
