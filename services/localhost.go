package services

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
)

// LocalhostAnnotation on a pod lists ports of its own loopback that lead elsewhere (x-lyandev.localhost), as Localhost.String
// writes them: "6379=redis:6379,11211=cache:11211".
const LocalhostAnnotation = "dev.lyandev/localhost"

// Localhost maps ports of a pod's loopback to the addresses that they lead to, each a "host:port". An address of FollowRole ends
// with "@role".
type Localhost map[int]string

const followsRole = "@role"

// FollowRole marks an address whose host is the name of a headless Service that selects on a role: its connections lead straight to
// a pod, and end when the role moves to another one.
func FollowRole(address string) string { return address + followsRole }

// CutRole returns the address without the mark of FollowRole, and whether it had one.
func CutRole(to string) (address string, follows bool) { return strings.CutSuffix(to, followsRole) }

// String lists the ports in ascending order, separated by commas.
func (l Localhost) String() string {
	out := make([]string, 0, len(l))
	for _, port := range slices.Sorted(maps.Keys(l)) {
		out = append(out, strconv.Itoa(port)+"="+l[port])
	}
	return strings.Join(out, ",")
}

// ParseLocalhost reads what Localhost.String writes. It returns an error for a port or an address that cannot be used, and for a
// port that is listed twice.
func ParseLocalhost(s string) (Localhost, error) {
	l := Localhost{}
	for _, item := range strings.Split(s, ",") {
		from, to, _ := strings.Cut(item, "=")
		port, err := Port(from)
		if err != nil {
			return nil, fmt.Errorf("cannot read %q: %w", item, err)
		}
		if _, twice := l[port]; twice {
			return nil, fmt.Errorf("port %d is listed twice", port)
		}
		address, _ := CutRole(to)
		if _, _, err := SplitTarget(address); err != nil {
			return nil, fmt.Errorf("cannot read %q: %w", item, err)
		}
		l[port] = to
	}
	return l, nil
}

// SplitTarget splits the address that a port of the loopback leads to.
func SplitTarget(s string) (host string, port int, err error) {
	host, number, err := net.SplitHostPort(s)
	if err != nil || host == "" || strings.ContainsAny(host, ",= ") {
		return "", 0, fmt.Errorf("%q is not an address such as redis:6379", s)
	}
	port, err = Port(number)
	return host, port, err
}

// Port reads a port number.
func Port(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 65535 {
		return 0, fmt.Errorf("%q is not a port number from 1 to 65535", s)
	}
	return n, nil
}
