//go:build !linux

package agent

import (
	"errors"
	"net/netip"
)

func keepGateway(Config) error { return nil }

// openAddresses: the agent runs in Linux containers only.
func openAddresses(netip.Addr) (addresses, error) {
	return nil, errors.New("cannot start agent: it runs in a Linux container only")
}
