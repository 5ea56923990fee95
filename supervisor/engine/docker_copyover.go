package engine

import (
	"context"
	"io"

	"github.com/docker/docker/api/types/container"
)

// CopyOver implements Containers.
func (d *Docker) CopyOver(ctx context.Context, id, dir string, tar io.Reader) error {
	err := d.api.CopyToContainer(ctx, id, dir, tar, container.CopyToContainerOptions{AllowOverwriteDirWithFile: true})
	return wrap(err, "copy files to %s of container %s", dir, short(id))
}
