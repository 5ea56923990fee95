//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Self is what a process is: what the engine gave it when it started it.
type Self struct {
	Args, Env      []string
	Dir            string
	UID, GID       int
	Groups         []int
	Umask          string
	Limits, Status map[string]string
	OOMScoreAdj    string
	Hostname       string
	Domainname     string
	Stdin, Stdout  string
	PID            int
	First          string
	// Starts is how often a process was started in this writable layer.
	Starts int
}

// printSelf prints the process as one line of JSON.
func printSelf() {
	groups, _ := os.Getgroups()
	dir, _ := os.Getwd()
	host, _ := os.Hostname()
	env := os.Environ()
	slices.Sort(env)
	slices.Sort(groups)
	mask := syscall.Umask(0)
	syscall.Umask(mask)
	s := Self{
		Args: os.Args, Env: env, Dir: dir, UID: os.Getuid(), GID: os.Getgid(), Groups: groups, Umask: fmt.Sprintf("%04o", mask),
		Limits: limits(), Status: status(), OOMScoreAdj: text("/proc/self/oom_score_adj"), Hostname: host,
		Domainname: domainname(), Stdin: kind(os.Stdin), Stdout: kind(os.Stdout), PID: os.Getpid(), First: text("/proc/1/comm"), Starts: starts(),
	}
	line, _ := json.Marshal(map[string]Self{"self": s})
	fmt.Println(string(line))
}

func text(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return "" // what cannot be read is the same as nothing, for both sides
	}
	return strings.TrimSpace(string(b))
}

// limits are the soft and hard limits of /proc/self/limits.
func limits() map[string]string {
	all := map[string]string{}
	sc := bufio.NewScanner(strings.NewReader(text("/proc/self/limits")))
	for sc.Scan() {
		if l := sc.Text(); len(l) > 66 && !strings.HasPrefix(l, "Limit") {
			all[strings.TrimSpace(l[:26])] = strings.Join(strings.Fields(l[26:66]), " ")
		}
	}
	return all
}

// status are the lines of /proc/self/status about privileges.
func status() map[string]string {
	all := map[string]string{}
	for line := range strings.SplitSeq(text("/proc/self/status"), "\n") {
		key, value, _ := strings.Cut(line, ":")
		switch key {
		case "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Cpus_allowed_list":
			all[key] = strings.TrimSpace(value)
		}
	}
	return all
}

func domainname() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Domainname[:])
}

// kind says what a standard stream is.
func kind(f *os.File) string {
	if _, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS); err == nil {
		return "terminal"
	}
	info, err := f.Stat()
	switch {
	case err != nil:
		return "closed"
	case info.Mode()&os.ModeNamedPipe != 0:
		return "pipe"
	case info.Mode()&os.ModeCharDevice != 0:
		return "device"
	}
	return info.Mode().Type().String()
}

// starts counts this start in the container's writable layer.
func starts() int {
	f, err := os.OpenFile("/var/starts", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return 0
	}
	_, _ = f.WriteString("x")
	_ = f.Close()
	return len(text("/var/starts"))
}
