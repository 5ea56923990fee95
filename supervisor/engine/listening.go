package engine

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Listening reports whether a TCP port of a list is listened on in the network namespace of a container's process, by reading
// /proc: nothing connects, so the server is not disturbed. known is false if this cannot be told: the engine runs on another
// machine or in a virtual machine, the process has ended, or this host is not Linux.
func Listening(pid int, containerID string, ports []int) (open, known bool) {
	return listening("/proc", pid, containerID, ports)
}

func listening(proc string, pid int, containerID string, ports []int) (open, known bool) {
	if !owns(proc, pid, containerID) {
		return false, false
	}
	dir := filepath.Join(proc, strconv.Itoa(pid))
	for _, name := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile(filepath.Join(dir, "net", name))
		if err != nil {
			continue // the machine has no IPv6
		}
		known = true
		if listens(text, ports) {
			return true, true
		}
	}
	return false, known
}

// OnThisHost reports whether a process of this host is the container's: the engine runs here, and not on another machine or in a
// virtual machine. It is false on other systems than Linux.
func OnThisHost(pid int, containerID string) bool { return owns("/proc", pid, containerID) }

// owns reports whether a process, as proc has it now, is in a container's cgroup. If it is not, the engine counts processes elsewhere,
// and its number means another one here.
func owns(proc string, pid int, containerID string) bool {
	cgroup, err := os.ReadFile(filepath.Join(proc, strconv.Itoa(pid), "cgroup"))
	return err == nil && pid > 1 && containerID != "" && bytes.Contains(cgroup, []byte(containerID))
}

// listens finds a listening socket in the text of /proc/PID/net/tcp: a line each, "sl local_address rem_address st ...", addresses
// as IP:PORT in hexadecimal. The state 0A is LISTEN.
func listens(text []byte, ports []int) bool {
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) < 4 || f[3] != "0A" {
			continue
		}
		_, hex, _ := strings.Cut(f[1], ":")
		port, err := strconv.ParseUint(hex, 16, 16)
		if err == nil && slices.Contains(ports, int(port)) {
			return true
		}
	}
	return false
}
