//go:build !linux

package agent

import (
	"context"
	"errors"
	"net/netip"
)

func followRoutes(context.Context, netip.Addr, func(outlet)) error { return nil }

func keepGateway(Config) error { return nil }

// openAddresses: the agent runs in Linux containers only.
func openAddresses(netip.Addr) (addresses, error) {
	return nil, errors.New("cannot start agent: it runs in a Linux container only")
}
