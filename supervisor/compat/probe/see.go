//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Seen is what a process in the container sees.
type Seen struct {
	Hosts, Resolv []string
	Hostname      string
	// Mounts has an entry for each mount point: type, options, and for tmpfs the options of the file system.
	Mounts     map[string]string
	Devices    []string
	Interfaces []string
	Cgroup     map[string]string
	Sysctls    map[string]string
	Files      map[string]string
	Peers      map[string]Peer
	// Outside says whether there is a default route.
	Outside bool
}

// Peer is what became of a host name.
type Peer struct {
	Addresses []string
	Connect   string
}

func see(names, look, sysctls []string, port int) error {
	s := Seen{
		Hosts: lines("/etc/hosts"), Resolv: lines("/etc/resolv.conf"), Hostname: text("/etc/hostname"), Mounts: mounts(),
		Devices: devices(), Cgroup: cgroup(), Sysctls: map[string]string{}, Files: map[string]string{}, Outside: outside(),
	}
	links, err := net.Interfaces()
	if err != nil {
		return err
	}
	for _, l := range links {
		s.Interfaces = append(s.Interfaces, l.Name+" "+l.HardwareAddr.String())
	}
	for _, name := range sysctls {
		s.Sysctls[name] = text("/proc/sys/" + strings.ReplaceAll(name, ".", "/"))
	}
	for _, root := range look {
		list(root, s.Files)
	}
	s.Peers = peers(names, port)
	return json.NewEncoder(os.Stdout).Encode(s)
}

// lines are the lines of a file that are no comments, with single spaces.
func lines(path string) []string {
	var all []string
	for line := range strings.SplitSeq(text(path), "\n") {
		if f := strings.Fields(line); len(f) > 0 && !strings.HasPrefix(line, "#") {
			all = append(all, strings.Join(f, " "))
		}
	}
	return all
}

func mounts() map[string]string {
	all := map[string]string{}
	for line := range strings.SplitSeq(text("/proc/self/mountinfo"), "\n") {
		before, after, _ := strings.Cut(line, " - ")
		f, g := strings.Fields(before), strings.Fields(after)
		if len(f) < 6 || len(g) < 3 {
			continue
		}
		about := g[0] + " " + f[5]
		if len(f) > 6 {
			about += " " + strings.TrimRight(f[6], ":0123456789") // propagation, without the number of the peer group
		}
		if g[0] == "tmpfs" {
			about += " " + g[2]
		}
		if len(f[4]) < 200 {
			all[f[4]] = about
		}
	}
	return all
}

func devices() []string {
	var all []string
	list, _ := os.ReadDir("/dev")
	for _, e := range list {
		all = append(all, e.Name())
	}
	return all
}

// cgroup are the limits, as version 1 or 2 has them.
func cgroup() map[string]string {
	all := map[string]string{}
	for _, name := range []string{
		"memory/memory.limit_in_bytes", "memory/memory.soft_limit_in_bytes", "memory/memory.swappiness", "memory/memory.oom_control",
		"cpu/cpu.shares", "cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us", "cpuset/cpuset.cpus", "cpuset/cpuset.mems", "pids/pids.max",
		"blkio/blkio.throttle.read_bps_device", "blkio/blkio.throttle.write_bps_device", "devices/devices.list",
		"memory.max", "memory.low", "memory.swap.max", "cpu.max", "cpu.weight", "cpuset.cpus", "pids.max", "io.max",
	} {
		if v := text("/sys/fs/cgroup/" + name); v != "" {
			all[name] = strings.SplitN(v, "under_oom", 2)[0]
		}
	}
	return all
}

func outside() bool {
	for _, line := range lines("/proc/net/route") {
		if f := strings.Fields(line); len(f) > 1 && f[1] == "00000000" {
			return true
		}
	}
	return false
}

// list describes a file, or all files below a directory: mode, owner, and of small ones the text.
func list(root string, into map[string]string) {
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			into[path] = errors.Unwrap(err).Error()
			return nil
		}
		info, err := os.Stat(path)
		if err != nil {
			into[path] = errors.Unwrap(err).Error()
			return nil
		}
		about := info.Mode().String()
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			about += fmt.Sprintf(" %d:%d", st.Uid, st.Gid)
		}
		if info.Mode().IsRegular() && info.Size() < 500 {
			b, err := os.ReadFile(path)
			about += fmt.Sprintf(" %q", b)
			if err != nil {
				about += " " + errors.Unwrap(err).Error()
			}
		}
		into[path] = about
		return nil
	})
}

// peers resolves names and connects to what they lead to.
func peers(names []string, port int) map[string]Peer {
	all := map[string]Peer{}
	for _, name := range names {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		addrs, err := net.DefaultResolver.LookupHost(ctx, name)
		cancel()
		if err != nil {
			all[name] = Peer{Connect: "unknown"}
			continue
		}
		slices.Sort(addrs)
		all[name] = Peer{Addresses: addrs, Connect: connect(net.JoinHostPort(addrs[0], fmt.Sprint(port)))}
	}
	return all
}

// connect says whether an address can be connected to. A server that has just been started gets a second to listen.
func connect(addr string) string {
	for end := time.Now().Add(time.Second); ; time.Sleep(100 * time.Millisecond) {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			_ = conn.Close()
			return "connected"
		}
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			return "no answer"
		}
		if time.Now().After(end) {
			return "refused"
		}
	}
}
