package network

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"math/bits"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
)

// HostPrefixes are the subnets that the host has addresses in or (on Linux) routes to, for ChooseSubnet.
func HostPrefixes() ([]netip.Prefix, error) {
	held, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("cannot list addresses of the host: %w", err)
	}
	var out []netip.Prefix
	for _, a := range held {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
			out = append(out, p.Masked())
		}
	}
	f, err := os.Open("/proc/net/route")
	if err != nil {
		return out, nil // not Linux: interfaces are what there is to see
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if p, ok := route(lines.Text()); ok {
			out = append(out, p)
		}
	}
	return out, nil
}

// route reads the destination of one line of /proc/net/route; the default route is none.
func route(line string) (netip.Prefix, bool) {
	fields := strings.Fields(line)
	if len(fields) < 8 {
		return netip.Prefix{}, false
	}
	dest, err1 := hex.DecodeString(fields[1])
	mask, err2 := hex.DecodeString(fields[7])
	if err1 != nil || err2 != nil || len(dest) != 4 || len(mask) != 4 {
		return netip.Prefix{}, false
	}
	ones := 0
	for _, b := range mask {
		ones += bits.OnesCount8(b)
	}
	addr := netip.AddrFrom4([4]byte{dest[3], dest[2], dest[1], dest[0]})
	return netip.PrefixFrom(addr, ones), ones > 0
}

func isAddrInUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }
