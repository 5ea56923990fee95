package engine

import (
	"os"
	"path/filepath"
	"testing"
)

const sockets = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1AEB 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1001        0 51234 1 0000000000000000 100 0 0 10 0
   1: 0B00007F:9A4D 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 51235 1 0000000000000000 100 0 0 10 0
   2: 0200F50A:1F90 0100F50A:D431 01 00000000:00000000 00:00000000 00000000     0        0 51236 1 0000000000000000 100 0 0 10 0
`

// TestListening: only sockets in the state LISTEN count, and a process that does not belong to the container tells nothing.
func TestListening(t *testing.T) {
	proc := t.TempDir()
	for pid, files := range map[string]map[string]string{
		"7": {"cgroup": "0::/docker/abc\n", "net/tcp": sockets, "net/tcp6": ""},
		"8": {"cgroup": "0::/docker/abc\n", "net/tcp": "", "net/tcp6": sockets},
		"9": {"cgroup": "0::/docker/other\n", "net/tcp": sockets},
		"5": {"cgroup": "0::/docker/abc\n"},
	} {
		for name, text := range files {
			file := filepath.Join(proc, pid, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name        string
		pid, port   int
		open, known bool
	}{
		{"it listens", 7, 6891, true, true},
		{"it listens with IPv6", 8, 6891, true, true},
		{"a connection on the port is no listener", 7, 8080, false, true},
		{"it does not listen", 7, 80, false, true},
		{"another container's process", 9, 6891, false, false},
		{"a process that has ended", 6, 6891, false, false},
		{"no sockets can be read", 5, 6891, false, false},
		{"not running", 0, 6891, false, false},
	} {
		if open, known := listening(proc, c.pid, "abc", []int{1, c.port}); open != c.open || known != c.known {
			t.Errorf("%s: open %v, known %v", c.name, open, known)
		}
	}
}
