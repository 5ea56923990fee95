//go:build !linux

package engine

import (
	"context"
	"os"
)

// HostVolume returns nil: on other systems the engine runs in a virtual machine.
func HostVolume(context.Context, Volumes, string) *os.Root { return nil }
