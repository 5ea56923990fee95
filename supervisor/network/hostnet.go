package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"syscall"
)

// HostPrefixes returns the subnets that the host has addresses in or (on Linux) routes to, for ChooseSubnet. It reads the host's
// interfaces and routes.
func HostPrefixes() ([]netip.Prefix, error) {
	held, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("cannot list addresses of the host: %w", err)
	}
	out, err := routes()
	if err != nil {
		return nil, fmt.Errorf("cannot list routes of the host: %w", err)
	}
	for _, a := range held {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
			out = append(out, p.Masked())
		}
	}
	return out, nil
}

func isAddrInUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }

// isDenied says that only root may bind the port; Windows uses the same error for ports that others have, so it is not one there.
func isDenied(err error) bool { return runtime.GOOS != "windows" && errors.Is(err, syscall.EACCES) }
