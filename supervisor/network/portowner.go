package network

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// PortConflict is the error for a host address that another process listens on.
type PortConflict struct {
	Address netip.AddrPort
	// PID and Command identify the process. They are 0 and "" if unknown (another user's process, or not on Linux).
	PID     int
	Command string
	// Free is the next free port, 0 if none was found.
	Free int
	Err  error
}

// Error names the process and a free port.
func (e *PortConflict) Error() string {
	msg := fmt.Sprintf("cannot publish %s: the address is already in use", e.Address)
	if e.PID != 0 {
		msg += fmt.Sprintf(" by process %d (%s)", e.PID, e.Command)
	}
	if e.Free != 0 {
		msg += fmt.Sprintf("; stop it, or use the free port %d", e.Free)
	}
	return msg
}

// Unwrap returns the error of bind.
func (e *PortConflict) Unwrap() error { return e.Err }

// CheckPort checks that a host address is free by listening on it briefly. The error is a *PortConflict if another process
// listens there; other errors of bind (address not on this host) are returned as they are. A port that only root may bind
// (below 1024) is the engine's to bind: it counts as free unless /proc/net lists a listener. Network is "tcp" or "udp".
func CheckPort(network string, at netip.AddrPort) error { return checkPort("/proc", network, at, bind) }

func checkPort(proc, network string, at netip.AddrPort, bind func(string, netip.AddrPort) error) error {
	err := bind(network, at)
	if err == nil {
		return nil
	}
	denied := isDenied(err)
	if denied && len(listeners(proc, network, at)) == 0 {
		return nil
	}
	if !denied && !isAddrInUse(err) {
		return err
	}
	c := &PortConflict{Address: at, Err: err}
	c.PID, c.Command = portOwner(proc, network, at)
	c.Free, _ = NextFree(network, at.Addr(), int(at.Port())+1)
	return c
}

// NextFree returns the first free port at or above from. It tries at most 1000 ports by listening on them.
func NextFree(network string, addr netip.Addr, from int) (int, error) {
	for port := max(from, 1); port < min(from+1000, 65536); port++ {
		if bind(network, netip.AddrPortFrom(addr, uint16(port))) == nil {
			return port, nil
		}
	}
	return 0, fmt.Errorf("cannot find a free port at %s from %d on", addr, from)
}

func bind(network string, at netip.AddrPort) error {
	if network == "udp" {
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		if err == nil {
			return c.Close()
		}
		return err
	}
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	if err == nil {
		return l.Close()
	}
	return err
}

// portOwner finds the process that listens on an address, by the socket's inode in proc/net and in the processes' file
// descriptors.
func portOwner(proc, network string, at netip.AddrPort) (pid int, command string) {
	inodes := listeners(proc, network, at)
	if len(inodes) == 0 {
		return 0, ""
	}
	fds, _ := filepath.Glob(filepath.Join(proc, "[0-9]*", "fd", "*"))
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && slices.Contains(inodes, to) {
			dir := filepath.Dir(filepath.Dir(fd))
			pid, _ = strconv.Atoi(filepath.Base(dir))
			name, _ := os.ReadFile(filepath.Join(dir, "comm"))
			return pid, strings.TrimSpace(string(name))
		}
	}
	return 0, ""
}

// listeners are the sockets in proc/net that prevent listening on an address, as links in /proc/PID/fd name them.
func listeners(proc, network string, at netip.AddrPort) (inodes []string) {
	for _, table := range []string{network, network + "6"} {
		f, err := os.Open(filepath.Join(proc, "net", table))
		if err != nil {
			continue
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			if inode, ok := listens(lines.Text(), network, at); ok {
				inodes = append(inodes, "socket:["+inode+"]")
			}
		}
		f.Close()
	}
	return inodes
}

// listens parses one line of /proc/net/tcp or udp. ok is true if the socket prevents listening on at.
func listens(line, network string, at netip.AddrPort) (inode string, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 10 {
		return "", false
	}
	const listening, unconnected = "0A", "07"
	if state := fields[3]; (network == "tcp" && state != listening) || (network == "udp" && state != unconnected) {
		return "", false
	}
	local, err := procAddress(fields[1])
	if err != nil || local.Port() != at.Port() {
		return "", false
	}
	if local.Addr() == at.Addr().Unmap() || local.Addr().IsUnspecified() || at.Addr().IsUnspecified() {
		return fields[9], true
	}
	return "", false
}

// procAddress parses "0100007F:1F90": 32-bit words in host byte order (little-endian here), then the port.
func procAddress(s string) (netip.AddrPort, error) {
	host, port, _ := strings.Cut(s, ":")
	raw, err := hex.DecodeString(host)
	if err != nil || (len(raw) != 4 && len(raw) != 16) {
		return netip.AddrPort{}, errors.New("not an address")
	}
	for i := 0; i < len(raw); i += 4 {
		slices.Reverse(raw[i : i+4])
	}
	addr, _ := netip.AddrFromSlice(raw)
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), nil
}
