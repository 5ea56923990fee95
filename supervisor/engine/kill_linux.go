package engine

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// killMarked sends SIGKILL to every process below proc whose environment has the entry, and returns their number.
func killMarked(proc, entry string) int {
	dirs, _ := filepath.Glob(filepath.Join(proc, "[0-9]*"))
	killed := 0
	for _, dir := range dirs {
		env, err := os.ReadFile(filepath.Join(dir, "environ"))
		if err != nil || !hasEntry(env, entry) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err == nil && syscall.Kill(pid, syscall.SIGKILL) == nil {
			killed++
		}
	}
	return killed
}

func hasEntry(env []byte, entry string) bool {
	for e := range bytes.SplitSeq(env, []byte{0}) {
		if string(e) == entry {
			return true
		}
	}
	return false
}

// killTree sends SIGKILL to the process pid of a container and to its descendants, as proc has them now, and returns how many it has
// killed. refused are the process IDs, as the container has them, of those that this process may not kill. A process that the
// container does not own is left alone.
func killTree(proc string, pid int, containerID string) (killed int, refused []string) {
	if !owns(proc, pid, containerID) {
		return 0, nil
	}
	for _, p := range descendants(proc, pid) {
		switch err := syscall.Kill(p, syscall.SIGKILL); {
		case err == nil:
			killed++
		case errors.Is(err, syscall.EPERM):
			if inner := field(proc, p, "NSpid:"); len(inner) > 0 {
				refused = append(refused, inner[len(inner)-1])
			}
		}
	}
	return killed, refused
}

// descendants are a process and the processes below it, parents first.
func descendants(proc string, pid int) []int {
	children := map[int][]int{}
	dirs, _ := filepath.Glob(filepath.Join(proc, "[0-9]*"))
	for _, dir := range dirs {
		p, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if parent := field(proc, p, "PPid:"); len(parent) == 1 {
			if n, err := strconv.Atoi(parent[0]); err == nil {
				children[n] = append(children[n], p)
			}
		}
	}
	out := []int{pid}
	for i := 0; i < len(out); i++ {
		out = append(out, children[out[i]]...)
	}
	return out
}

// field are the values of a line of a process's status file.
func field(proc string, pid int, name string) []string {
	text, err := os.ReadFile(filepath.Join(proc, strconv.Itoa(pid), "status"))
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			return strings.Fields(rest)
		}
	}
	return nil
}
