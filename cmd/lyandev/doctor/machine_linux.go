package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// available is the memory that new processes can have, in bytes, 0 if unknown.
func available() uint64 {
	b, _ := os.ReadFile("/proc/meminfo")
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "MemAvailable:" {
			n, _ := strconv.ParseUint(f[1], 10, 64)
			return n << 10
		}
	}
	return 0
}

// watchLimits are the limits of inotify.
func watchLimits() (watches, instances int) {
	read := func(name string) int {
		b, _ := os.ReadFile("/proc/sys/fs/inotify/" + name)
		n, _ := strconv.Atoi(strings.TrimSpace(string(b)))
		return n
	}
	return read("max_user_watches"), read("max_user_instances")
}

// processAt returns the process that listens on a port of table tcp or udp, 0 if this user may not see it.
func processAt(table string, port int) (pid int, name string) {
	sockets := map[string]bool{}
	for _, t := range []string{table, table + "6"} {
		b, _ := os.ReadFile("/proc/net/" + t)
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line) // sl local_address rem_address st ... inode
			if len(f) > 9 && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) && (f[3] == "0A" || table == "udp") {
				sockets["socket:["+f[9]+"]"] = true
			}
		}
	}
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*") // the pattern is valid
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && sockets[to] {
			pid, _ := strconv.Atoi(strings.Split(fd, "/")[2])
			comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
			return pid, strings.TrimSpace(string(comm))
		}
	}
	return 0, ""
}
