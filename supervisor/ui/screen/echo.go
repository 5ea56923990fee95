//go:build !linux && !darwin

package screen

import "github.com/lyandev/lyandev/supervisor/ui"

// withoutEcho does nothing on systems whose terminals it does not know.
func withoutEcho(*ui.Streams) (restore func()) { return func() {} }
