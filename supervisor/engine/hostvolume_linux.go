package engine

import (
	"context"
	"os"
	"regexp"
)

// remapped matches the data directory of an engine with userns-remap, /var/lib/docker/UID.GID: root in its containers is another user
// on the host.
var remapped = regexp.MustCompile(`/[0-9]+\.[0-9]+/`)

// HostVolume opens the directory of a volume in the file system of this host, on which the engine must be known to run; see OnThisHost. It
// is nil if this process cannot reach it as the engine does: it is not root, or the volume is not a plain directory of the engine's.
// An archive that is copied through the engine instead takes it more than 0.1 s of a processor. The caller closes it.
func HostVolume(ctx context.Context, eng Volumes, name string) *os.Root {
	if os.Geteuid() != 0 {
		return nil
	}
	v, err := eng.InspectVolume(ctx, name)
	if err != nil || v.Driver != "local" || len(v.Options) > 0 || v.Mountpoint == "" || remapped.MatchString(v.Mountpoint) {
		return nil
	}
	root, err := os.OpenRoot(v.Mountpoint)
	if err != nil {
		return nil
	}
	return root
}
