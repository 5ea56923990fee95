package tcengine

import (
	"context"
	"net"
	"net/netip"
	"os"

	"github.com/lyandev/lyandev/supervisor/engine"
)

// hostOverride is testcontainers' variable for the host at which published ports are reached.
const hostOverride = "TESTCONTAINERS_HOST_OVERRIDE"

// nameHost sets hostOverride to localhost if the engine runs in the same container as this process (CI runners with Docker in
// Docker). There testcontainers would look for published ports at the gateway, because it assumes an engine outside
// (/.dockerenv exists). A value set by the user is kept.
func nameHost(ctx context.Context, eng *engine.Docker) error {
	if _, set := os.LookupEnv(hostOverride); set {
		return nil
	}
	if _, err := os.Stat("/.dockerenv"); err != nil {
		return nil // not in a container: the guess is right
	}
	networks, err := eng.ListNetworks(ctx, nil)
	if err != nil {
		return err
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil // the guess stands
	}
	if engineIsHere(networks, prefixes(addrs)) {
		return os.Setenv(hostOverride, "localhost")
	}
	return nil
}

func prefixes(addrs []net.Addr) []netip.Prefix {
	var out []netip.Prefix
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			out = append(out, p)
		}
	}
	return out
}

// engineIsHere reports whether the engine's bridges are in this network namespace: an interface has the first address of the
// default bridge's subnet. It is pure.
func engineIsHere(networks []engine.Network, own []netip.Prefix) bool {
	for _, n := range networks {
		if n.Name != "bridge" {
			continue
		}
		for _, s := range n.Subnets {
			for _, p := range own {
				if p.Addr() == s.Masked().Addr().Next() {
					return true
				}
			}
		}
	}
	return false
}
