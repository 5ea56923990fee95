//go:build !linux

package agent

import (
	"errors"
	"syscall"
)

func openKernel(Config) (kernelPath, error) { return nil, errors.New("nftables exists on Linux only") }

// sharedPort is nil: without kernelPath nothing else needs the addresses of listeners.
var sharedPort func(network, address string, c syscall.RawConn) error
