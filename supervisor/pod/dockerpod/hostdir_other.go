//go:build !linux

package dockerpod

import "context"

// hostDir returns nil: on other systems the engine runs in a virtual machine.
func (r *Runtime) hostDir(context.Context, string) volumeDir { return nil }
