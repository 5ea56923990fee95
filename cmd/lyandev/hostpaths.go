package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// printHostPaths names the host's paths outside the project that plain services mount, in one line, and warns of those through
// which a service can control the container engine. quiet leaves out all but the warning.
func printHostPaths(st *ui.Streams, paths []services.HostPath, quiet bool) {
	var mounted, sockets []string
	for _, h := range paths {
		switch socket := fmt.Sprintf("%s (service %s)", h.Path, h.Service); {
		case h.Socket && !slices.Contains(sockets, socket):
			sockets = append(sockets, socket)
		case !h.Socket && !slices.Contains(mounted, h.Path):
			mounted = append(mounted, h.Path)
		}
	}
	if len(mounted) > 0 && !quiet {
		fmt.Fprintf(st.Err, "%s paths outside the project are mounted: %s\n", st.Paint(ui.Yellow, "note:"), strings.Join(mounted, ", "))
	}
	if len(sockets) > 0 {
		fmt.Fprintf(st.Err, "%s the container engine's socket is mounted, which gives control of this host: %s\n",
			st.Paint(ui.Yellow, "warning:"), strings.Join(sockets, ", "))
	}
}
